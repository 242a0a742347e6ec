//! A new server's first start: a key made here, a certificate for it in exchange for a token, and the
//! configuration for all later starts, all in its data directory. The key never leaves it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use zareba_client::model::{MemberRole, ServerId};
use zareba_client::{Invitation, Joined};
use zareba_server::{ServerConfig, generate_key, request_certificate};

use crate::args::Join;
use crate::command::dev::write;

/// The configuration that joining leaves.
const CONFIG: &str = "server.toml";

/// How long the ensemble may take to let a server in.
const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration of a server that keeps everything in `dir`; it joins first if it has not yet.
pub(super) async fn prepare(dir: &Path, join: &Join) -> anyhow::Result<ServerConfig> {
    let config = dir.join(CONFIG);
    if config.exists() {
        if join.token.is_some() {
            tracing::info!(
                config = %config.display(),
                "this server has joined before; the token is not used"
            );
        }
        return Ok(ServerConfig::load(&config)?);
    }
    let (Some(token), Some(peer_address), Some(client_address)) =
        (&join.token, &join.peer_address, &join.client_address)
    else {
        bail!(
            "{} is not there, so this server has not joined an ensemble yet; make a token with \
             `zareba ensemble add` and start with --join, --peer-address and --client-address",
            config.display()
        );
    };
    let invitation: Invitation = read_token(token)?.parse()?;
    let peer_listen = listen_address(peer_address)?;
    let client_listen = listen_address(client_address)?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let request = request_certificate(&key(dir)?)?;
    let joined = invitation
        .join(&request, peer_address, client_address, PATIENCE)
        .await
        .context("the ensemble did not let this server in")?;
    write(&dir.join("server.pem"), &joined.certificate_pem, false)?;
    write(&dir.join("ca.pem"), &joined.ca_pem, false)?;
    let file = File::new(&joined, peer_listen, client_listen)?;
    // Last: its presence says that the server has joined.
    write(&config, &toml::to_string(&file)?, false)?;
    tracing::info!(server = %joined.server, "joined");
    Ok(ServerConfig::load(&config)?)
}

/// The token itself, or what the file behind an @ holds: everybody on a host can see the arguments of its
/// processes.
fn read_token(token: &str) -> anyhow::Result<String> {
    match token.strip_prefix('@') {
        None => Ok(token.to_owned()),
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the token from {file}")),
    }
}

/// The server's key; a second attempt to join uses the first one's, by which it is known.
fn key(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join("server.key");
    if !path.exists() {
        write(&path, &generate_key()?, true)?;
    }
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Where to listen for what reaches an address: there, if it is one of this host, or else on every
/// address with that port.
fn listen_address(address: &str) -> anyhow::Result<SocketAddr> {
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let port = address.rsplit_once(':').map(|(_, port)| port.parse());
    match port {
        Some(Ok(port)) if port > 0 => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
        _ => bail!("{address:?} is no address; a host and a port are expected"),
    }
}

/// A configuration as `zareba server --config` reads it.
#[derive(Serialize)]
struct File {
    id: u64,
    ensemble_version: u64,
    data_dir: &'static str,
    bootstrap: bool,
    client_listen: String,
    peer_listen: String,
    peer_address: String,
    client_address: String,
    role: &'static str,
    certificate: &'static str,
    key: &'static str,
    ca: &'static str,
    peers: Vec<Peer>,
}

#[derive(Serialize)]
struct Peer {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_address: Option<String>,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
}

impl File {
    fn new(
        joined: &Joined,
        peer_listen: SocketAddr,
        client_listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        // While voters change, both sides count. The members before them are a whole ensemble, and
        // what came since is in the log.
        let ensemble = &joined.ensemble;
        let (members, version) = match &ensemble.outgoing {
            None => (&ensemble.members, ensemble.version),
            Some(before) => (before, ensemble.version.saturating_sub(1)),
        };
        let own = members
            .get(&joined.server)
            .context("the ensemble that the server sent does not have this server in it")?;
        let others = members.iter().filter(|(id, _)| **id != joined.server);
        let given = |address: &String| Some(address.clone()).filter(|it| !it.is_empty());
        let peer = |(id, member): (&ServerId, &zareba_client::model::Member)| {
            let (role, weight, group) = words(member.role);
            Peer {
                id: id.0,
                address: given(&member.peer_address),
                client_address: given(&member.client_address),
                role,
                weight,
                group,
            }
        };
        Ok(Self {
            id: joined.server.0,
            ensemble_version: version,
            data_dir: "data",
            // It may have been promoted when it loses its disk one day.
            bootstrap: false,
            client_listen: client_listen.to_string(),
            peer_listen: peer_listen.to_string(),
            peer_address: own.peer_address.clone(),
            client_address: own.client_address.clone(),
            role: words(own.role).0,
            certificate: "server.pem",
            key: "server.key",
            ca: "ca.pem",
            peers: others.map(peer).collect(),
        })
    }
}

fn words(role: MemberRole) -> (&'static str, Option<u32>, Option<u32>) {
    match role {
        MemberRole::Voter { weight, group } => ("voter", Some(weight), Some(group)),
        MemberRole::Observer => ("observer", None, None),
    }
}
