//! Three servers as processes in a temporary folder, to be killed and restarted. Knows no load.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use zareba_client::Profile;
use zareba_client::model::{ServerId, ServerStatus};
use zareba_server::CertificateAuthority;

use super::member::{Member, Place};
use super::usage::Usage;
use crate::args;
use crate::clock;

/// See the file's head.
pub(super) struct OwnEnsemble {
    members: BTreeMap<ServerId, Member>,
    ca_pem: String,
    _home: TempDir,
}

impl OwnEnsemble {
    /// Starts three servers and returns when they serve.
    pub(super) async fn start(settings: &args::OwnEnsemble) -> anyhow::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("zareba-bench-");
        let home = match &settings.folder {
            Some(folder) => builder.tempdir_in(folder),
            None => builder.tempdir(),
        };
        let home = home.context("cannot make a temporary folder")?;
        let authority = CertificateAuthority::create()?;
        let mut ports = free_ports(2 * SERVERS)?.into_iter();
        let mut port = || ports.next().context("there are too few ports");
        let mut places = Vec::new();
        for id in 1..=SERVERS as u64 {
            places.push(Place {
                id: ServerId(id),
                client_port: port()?,
                peer_port: port()?,
            });
        }
        let mut members = BTreeMap::new();
        for place in &places {
            let member = Member::prepare(home.path(), &authority, *place, &places, settings)?;
            members.insert(place.id, member);
        }
        let mut ensemble = Self {
            members,
            ca_pem: authority.certificate_pem().to_owned(),
            _home: home,
        };
        for member in ensemble.members.values_mut() {
            member.start().await?;
        }
        ensemble.serving().await?;
        Ok(ensemble)
    }

    /// How to reach all servers.
    pub(super) fn profile(&self) -> Profile {
        Profile::new(self.members.values().map(Member::endpoint), &self.ca_pem)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(super) fn member(&mut self, id: ServerId) -> anyhow::Result<&mut Member> {
        self.members.get_mut(&id).context("no such server")
    }

    /// Some server that follows: the leader leads all the same, and more than one would say no more.
    pub(super) async fn follower(&self) -> anyhow::Result<&Member> {
        let leader = self.serving().await?;
        let mut others = self.members().filter(|it| it.place.id != leader);
        others.next().context("there is no follower")
    }

    /// What all servers together have used and hold.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        self.members().map(Member::usage).sum()
    }

    /// Waits until all servers that run serve under one leader and have applied the same, give
    /// or take a moment's load; returns the leader.
    pub(super) async fn serving(&self) -> anyhow::Result<ServerId> {
        let up = self.members().filter(|it| it.is_up());
        let up: BTreeSet<_> = up.map(|it| it.place.id).collect();
        let deadline = clock::now() + PATIENCE;
        loop {
            let statuses = self.statuses().await?;
            let serving: BTreeSet<_> = statuses
                .iter()
                .filter(|status| status.role != "looking")
                .map(|status| status.server)
                .collect();
            let leaders: BTreeSet<_> = statuses.iter().map(|status| status.leader).collect();
            if let (true, [Some(leader)]) = (
                up.is_subset(&serving),
                leaders.iter().copied().collect::<Vec<_>>().as_slice(),
            ) {
                return Ok(*leader);
            }
            if clock::now() > deadline {
                let logs: Vec<_> = self.members().map(|it| it.journal.tail()).collect();
                bail!(
                    "not all servers serve after {PATIENCE:?}:\n{}",
                    logs.join("\n\n")
                );
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// What every server says of itself.
    pub(super) async fn statuses(&self) -> anyhow::Result<Vec<ServerStatus>> {
        let answers = self.profile().server_status(STATUS_PATIENCE).await?;
        Ok(answers.into_iter().filter_map(Result::ok).collect())
    }
}

/// Free ports, from below those that the system gives to clients, one of which could take the
/// port of a server that is down.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let mut held = BTreeMap::new();
    for _ in 0..1_000 {
        let port = rand::random_range(10_000..32_000);
        if let Ok(socket) = UdpSocket::bind(("127.0.0.1", port)) {
            held.insert(port, socket);
        }
        if held.len() == count {
            return Ok(held.into_keys().collect());
        }
    }
    bail!("cannot find {count} free UDP ports between 10000 and 32000 on 127.0.0.1")
}

/// Servers of an ensemble.
const SERVERS: usize = 3;

/// Longest wait until an ensemble serves.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long one server may take to say how it is.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(20);
