//! Several servers that belong together: started, asked, killed, paused and compared.

use std::collections::BTreeMap;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use zareba_client::{Client, ClientBuilder, Profile, ServerStatus, Zxid};
use zareba_server::CertificateAuthority;

use crate::log;
use crate::member::{Member, Place};
use crate::port::free_ports;
use crate::until;

/// How long one server may take to say how it is.
const STATUS_PATIENCE: Duration = Duration::from_millis(500);

/// Only one ensemble at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// An ensemble of processes, in a folder that goes with it.
#[derive(Debug)]
pub struct Ensemble {
    pub(crate) members: BTreeMap<u64, Member>,
    ca_pem: String,
    home: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Ensemble {
    /// Starts so many servers, numbered from 1, and returns when they serve.
    pub async fn start(servers: u64) -> Self {
        Self::start_with(servers, "").await
    }

    /// Writes the configuration of so many servers, numbered from 1, and starts none of them.
    pub async fn prepare(servers: u64) -> Self {
        let (mut ensemble, authority) = Self::nobody().await;
        ensemble.configure_all(servers, "", &authority);
        ensemble
    }

    /// The same with more settings, as TOML tables of a server's configuration.
    pub async fn start_with(servers: u64, settings: &str) -> Self {
        let (mut ensemble, authority) = Self::nobody().await;
        while !ensemble.try_start(servers, settings, &authority).await {}
        ensemble.serving().await;
        ensemble
    }

    async fn nobody() -> (Self, CertificateAuthority) {
        let turn = TURN.lock().await;
        let home = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::create().unwrap();
        let ensemble = Self {
            members: BTreeMap::new(),
            ca_pem: authority.certificate_pem().to_owned(),
            home,
            _turn: turn,
        };
        (ensemble, authority)
    }

    /// False if somebody else has taken a port meanwhile.
    async fn try_start(
        &mut self,
        servers: u64,
        settings: &str,
        authority: &CertificateAuthority,
    ) -> bool {
        self.configure_all(servers, settings, authority);
        for member in self.members.values_mut() {
            if !member.start().await {
                return false;
            }
        }
        true
    }

    fn configure_all(&mut self, servers: u64, settings: &str, authority: &CertificateAuthority) {
        self.members.clear();
        let mut ports = free_ports(2 * servers as usize).into_iter();
        let mut port = || ports.next().unwrap();
        let places: Vec<_> = (1..=servers)
            .map(|id| Place {
                id,
                client_port: port(),
                peer_port: port(),
            })
            .collect();
        for place in &places {
            let home = self.home.path();
            let member = Member::prepare(home, authority, *place, &places, settings);
            self.members.insert(place.id, member);
        }
    }

    // Clients.

    /// How to reach all servers.
    pub fn profile(&self) -> Profile {
        let endpoints = self.members.values().map(Member::endpoint);
        Profile::new(endpoints, &self.ca_pem)
    }

    /// How to reach one server.
    pub fn profile_of(&self, id: u64) -> Profile {
        Profile::new([self.member(id).endpoint()], &self.ca_pem)
    }

    /// How to reach all servers, one of them first.
    pub fn profile_from(&self, id: u64) -> Profile {
        let others = self.members.values().filter(|it| it.place.id != id);
        let endpoints = [self.member(id)].into_iter().chain(others);
        Profile::new(endpoints.map(Member::endpoint), &self.ca_pem)
    }

    /// A client of any server.
    pub async fn client(&self) -> Client {
        connect(Client::builder().profile(self.profile())).await
    }

    /// A client of one server alone.
    pub async fn client_of(&self, id: u64) -> Client {
        let builder = Client::builder().profile(self.profile_of(id));
        connect(builder.follow_members(false)).await
    }

    /// A client of any server, but of this one first, whose session lives so long without it.
    pub async fn client_from(&self, id: u64, session_timeout: Duration) -> Client {
        let builder = Client::builder().profile(self.profile_from(id));
        connect(builder.session_timeout(session_timeout)).await
    }

    /// The certificate of the authority that all servers trust.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Writes a profile for the command line and returns its path.
    pub fn profile_file(&self) -> std::path::PathBuf {
        let endpoints: Vec<_> = self.members.values().map(Member::endpoint).collect();
        let mut table = toml::Table::new();
        table.insert("endpoints".into(), endpoints.into());
        table.insert("ca".into(), "ca.pem".into());
        std::fs::write(self.home.path().join("ca.pem"), &self.ca_pem).unwrap();
        let path = self.home.path().join("client.toml");
        std::fs::write(&path, table.to_string()).unwrap();
        path
    }

    /// A folder for a test's own files.
    pub fn folder(&self) -> &std::path::Path {
        self.home.path()
    }

    // What servers say.

    /// What every server that answers says of itself.
    pub async fn statuses(&self) -> BTreeMap<u64, ServerStatus> {
        let answers = self.profile().server_status(STATUS_PATIENCE).await;
        let ids = self.members.keys().copied();
        ids.zip(answers.unwrap())
            .filter_map(|(id, answer)| Some((id, answer.ok()?)))
            .collect()
    }

    /// Waits until all servers that run and are not paused serve under one leader.
    pub async fn serving(&self) -> u64 {
        until("all servers serve", async || {
            let statuses = self.statuses().await;
            let expected = self.up();
            let leaders: Vec<_> = expected
                .iter()
                .map(|id| statuses.get(id).and_then(|status| status.leader))
                .collect();
            let leader = leaders.first().copied().flatten()?;
            let is_served = |status: &ServerStatus| status.role != "looking";
            let all = leaders.iter().all(|it| *it == Some(leader));
            (all && expected.contains(&leader.0) && statuses.values().all(is_served))
                .then_some(leader.0)
        })
        .await
    }

    /// Waits until some server that runs says it leads, and returns it.
    pub async fn leader(&self) -> u64 {
        until("there is a leader", async || {
            let statuses = self.statuses().await;
            let up = self.up();
            // A leader that was paused may not know yet that it is none any more.
            let leading = statuses
                .into_iter()
                .filter(|(id, status)| up.contains(id) && status.role == "leading");
            leading
                .max_by_key(|(_, status)| status.epoch)
                .map(|(id, _)| id)
        })
        .await
    }

    /// Waits until that server, which runs, knows that it has no leader.
    pub async fn is_leaderless(&self, id: u64) {
        until("a server has no leader", async || {
            let statuses = self.statuses().await;
            statuses
                .get(&id)
                .filter(|status| status.role == "looking")
                .map(drop)
        })
        .await;
    }

    /// Waits until all servers that run have applied the same, then demands that their trees are
    /// the same. Also compares whichever two meet at the same transaction on the way.
    pub async fn agree(&self) -> Zxid {
        let mut digests: BTreeMap<Zxid, (u64, u64)> = BTreeMap::new();
        until("all servers have applied the same", async || {
            let up = self.up();
            let mut statuses = self.statuses().await;
            statuses.retain(|id, status| up.contains(id) && status.role != "looking");
            for (id, status) in &statuses {
                let (first, digest) = *digests
                    .entry(status.applied)
                    .or_insert((*id, status.digest));
                assert_eq!(
                    digest, status.digest,
                    "servers {first} and {id} differ at {}",
                    status.applied
                );
            }
            let applied = statuses.values().next()?.applied;
            let all = statuses.values().all(|status| status.applied == applied);
            (all && statuses.len() == up.len()).then_some(applied)
        })
        .await
    }

    // What is done to servers.

    /// Kills a server without a warning.
    pub async fn kill(&mut self, id: u64) {
        let process = self.member_mut(id).process.take();
        process.unwrap().kill().await;
    }

    /// Asks a server to end, as an operator does, and returns when it has.
    pub async fn stop(&mut self, id: u64) {
        let mut process = self.member_mut(id).process.take().unwrap();
        process.signal("TERM");
        let status = process.end().await;
        assert!(status.success(), "server {id} ended with {status}");
    }

    /// Starts a server that was killed, on its data, and returns when it says that it is ready.
    pub async fn restart(&mut self, id: u64) {
        while !self.member_mut(id).start().await {}
    }

    /// The same with a disk that fails so; see `zareba_log::Fault`.
    pub async fn restart_with_fault(&mut self, id: u64, fault: &str) {
        while !self.member_mut(id).start_with(Some(fault)).await {}
    }

    /// Starts a server that refuses; returns its last words.
    pub async fn refuses_to_start(&mut self, id: u64) -> String {
        match self.member_mut(id).try_start(None).await {
            Ok(()) => panic!("server {id} started"),
            Err(last_words) => last_words,
        }
    }

    /// Waits until a server has ended by itself, and returns how.
    pub async fn ends_by_itself(&mut self, id: u64) -> std::process::ExitStatus {
        let mut process = self.member_mut(id).process.take().unwrap();
        process.end().await
    }

    /// Adds a line to the top of the configuration of a server that is down.
    pub fn configure(&mut self, id: u64, line: &str) {
        self.member(id).configure(line);
    }

    /// Where a server's data is.
    pub fn data(&self, id: u64) -> std::path::PathBuf {
        self.member(id).data()
    }

    /// Stops a server in its tracks: it neither works nor answers, and knows nothing of it.
    pub fn pause(&mut self, id: u64) {
        let member = self.member_mut(id);
        member.process().signal("STOP");
        member.is_paused = true;
    }

    /// Lets a paused server go on.
    pub fn resume(&mut self, id: u64) {
        let member = self.member_mut(id);
        member.process().signal("CONT");
        member.is_paused = false;
    }

    /// What a server has logged so far, in all its lives.
    pub fn log(&self, id: u64) -> String {
        std::fs::read_to_string(self.member(id).log()).unwrap()
    }

    /// The servers that run and are not paused.
    fn up(&self) -> Vec<u64> {
        let up = |member: &&Member| member.process.is_some() && !member.is_paused;
        self.members
            .values()
            .filter(up)
            .map(|it| it.place.id)
            .collect()
    }

    pub(crate) fn member(&self, id: u64) -> &Member {
        self.members.get(&id).unwrap()
    }

    pub(crate) fn member_mut(&mut self, id: u64) -> &mut Member {
        self.members.get_mut(&id).unwrap()
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for member in self.members.values() {
                log::show_tail(&format!("server {}", member.place.id), &member.log());
            }
        }
    }
}

async fn connect(builder: ClientBuilder) -> Client {
    let builder = builder.connect_timeout(crate::PATIENCE);
    builder.connect().await.unwrap()
}
