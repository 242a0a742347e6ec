//! Where the servers are and how patient the client is, parsed once into valid values.
//! Knows no connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zareba_model::ServerStatus;
use zareba_model::limits::{SESSION_TIMEOUT_MS_MAX, SESSION_TIMEOUT_MS_MIN};

use crate::connection::{DialError, Dialer};
use crate::{Client, Error, RetryPolicy};

/// The name that every server's certificate carries.
pub const SERVER_NAME: &str = "zareba.internal";

/// How to reach an ensemble: its servers and the authority that vouches for them.
///
/// As a file, which `zareba dev` writes:
///
/// ```toml
/// endpoints = ["127.0.0.1:7181", "127.0.0.1:7182", "127.0.0.1:7183"]
/// ca = "ca.pem" # relative to this file
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The servers, as `host:port`; any of them will do.
    pub endpoints: Vec<String>,
    /// The certificates to trust, in PEM.
    pub ca_pem: String,
    /// The name that the servers' certificates carry.
    pub server_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    endpoints: Vec<String>,
    ca: PathBuf,
    server_name: Option<String>,
}

impl Profile {
    /// A profile of servers and the PEM text of their authority.
    pub fn new<E: Into<String>>(
        endpoints: impl IntoIterator<Item = E>,
        ca_pem: impl Into<String>,
    ) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            ca_pem: ca_pem.into(),
            server_name: SERVER_NAME.to_owned(),
        }
    }

    /// Reads a profile file and the certificate file it names.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::parse(&read(path)?, path, read)
    }

    /// Reads the text of the profile file `path`; `read_ca` gets the place of the certificate file
    /// that it names.
    pub fn parse(
        text: &str,
        path: &Path,
        read_ca: impl FnOnce(&Path) -> Result<String, Error>,
    ) -> Result<Self, Error> {
        let file: ProfileFile = toml::from_str(text)
            .map_err(|error| Error::Configuration(format!("{}: {error}", path.display())))?;
        let ca = path.parent().unwrap_or(Path::new("")).join(file.ca);
        let mut profile = Self::new(file.endpoints, read_ca(&ca)?);
        if let Some(server_name) = file.server_name {
            profile.server_name = server_name;
        }
        Ok(profile)
    }

    /// Asks each server about itself, without a session, for as long as `patience` each. The
    /// answers stand in the order of the endpoints.
    pub async fn server_status(
        &self,
        patience: Duration,
    ) -> Result<Vec<Result<ServerStatus, Error>>, Error> {
        let dialer = Dialer::new(self)?;
        let asked = self.endpoints.iter().map(|endpoint| async {
            let unreachable = |reason| Error::Unreachable {
                endpoints: endpoint.clone(),
                reason,
            };
            match tokio::time::timeout(patience, dialer.status(endpoint)).await {
                Ok(Ok(status)) => Ok(status),
                Ok(Err(DialError::Refused(fault))) => Err(Error::from(fault)),
                Ok(Err(DialError::Unreachable(reason))) => Err(unreachable(reason)),
                Err(_) => Err(unreachable(format!("no answer in {patience:?}"))),
            }
        });
        Ok(futures::future::join_all(asked).await)
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::Configuration(format!("cannot read {}: {error}", path.display())))
}

/// What a client is to be like, before it connects.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `connect`"]
pub struct ClientBuilder {
    profile: Option<Profile>,
    session_timeout: Duration,
    connect_timeout: Option<Duration>,
    request_timeout: Option<Duration>,
    linearizable_reads: bool,
    follow_members: bool,
    retry: RetryPolicy,
}

/// The same with every value known to be valid.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) profile: Profile,
    /// What to ask the servers for.
    pub(crate) session_timeout: Duration,
    /// How long the first server is searched.
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) linearizable_reads: bool,
    pub(crate) follow_members: bool,
    pub(crate) retry: RetryPolicy,
}

impl Config {
    /// How long one of so many servers may take to let the session in, so that all of them get their
    /// turn well within the session's timeout.
    pub(crate) fn attempt_timeout(&self, servers: usize) -> Duration {
        let turns = u32::try_from(2 * servers).unwrap_or(u32::MAX);
        let share = self.session_timeout / turns.max(1);
        share.clamp(Duration::from_millis(250), Duration::from_secs(5))
    }
}

impl ClientBuilder {
    /// The defaults: sessions of ten seconds, requests without a time limit.
    pub(crate) fn new() -> Self {
        Self {
            profile: None,
            session_timeout: Duration::from_secs(10),
            connect_timeout: None,
            request_timeout: None,
            linearizable_reads: false,
            follow_members: true,
            retry: RetryPolicy::default(),
        }
    }

    /// What the client does on a lost connection, and how long it repeats what no leader would take.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Whether the session may go on at servers that the profile does not name: members of the
    /// ensemble that it was told of meanwhile. On by default; the profile's servers are tried first
    /// in either case.
    pub fn follow_members(mut self, follow: bool) -> Self {
        self.follow_members = follow;
        self
    }

    /// Whether every read is linearizable; see [`Client::linearizable`] for what that means and
    /// costs. Off by default.
    pub fn linearizable_reads(mut self, linearizable: bool) -> Self {
        self.linearizable_reads = linearizable;
        self
    }

    /// Which ensemble. Must be given.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// How long the servers keep the session, with its ephemeral nodes and locks, after they
    /// have last heard of this client: the time a crashed client's locks stay held. 1 s to 10 min.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// How long [`connect`](Self::connect) searches for a server; the session timeout by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How long a request may take before its caller is told [`Error::Timeout`]. The request
    /// itself is not taken back: it may still be executed. Waiting for a lock is not limited.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    /// Opens a session and returns once a server holds it.
    pub async fn connect(self) -> Result<Client, Error> {
        Client::open(self.build()?).await
    }

    pub(crate) fn build(self) -> Result<Config, Error> {
        let Some(profile) = self.profile else {
            let advice = "a client needs a profile; see ClientBuilder::profile";
            return Err(Error::Configuration(advice.to_owned()));
        };
        if profile.endpoints.is_empty() {
            let advice = "the profile names no endpoint; one is needed";
            return Err(Error::Configuration(advice.to_owned()));
        }
        let shortest = Duration::from_millis(SESSION_TIMEOUT_MS_MIN.into());
        let longest = Duration::from_millis(SESSION_TIMEOUT_MS_MAX.into());
        if !(shortest..=longest).contains(&self.session_timeout) {
            let asked = self.session_timeout;
            return Err(Error::Configuration(format!(
                "a session timeout is {shortest:?} to {longest:?}, but {asked:?} was asked for"
            )));
        }
        self.retry.check()?;
        Ok(Config {
            profile,
            session_timeout: self.session_timeout,
            connect_timeout: self.connect_timeout.unwrap_or(self.session_timeout),
            request_timeout: self.request_timeout,
            linearizable_reads: self.linearizable_reads,
            follow_members: self.follow_members,
            retry: self.retry,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_names_its_ca_relative_to_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.toml");
        std::fs::write(folder.path().join("ca.pem"), "PEM").unwrap();
        std::fs::write(&file, "endpoints = [\"a:1\", \"b:2\"]\nca = \"ca.pem\"\n").unwrap();
        let profile = Profile::load(&file).unwrap();
        assert_eq!(profile, Profile::new(["a:1", "b:2"], "PEM"));
        assert_eq!(profile.server_name, "zareba.internal");
    }

    #[test]
    fn a_profile_that_cannot_be_used_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.toml");
        std::fs::write(&file, "endpoint = []").unwrap();
        let refused = Profile::load(&file).unwrap_err().to_string();
        assert!(
            refused.contains("client.toml") && refused.contains("endpoint"),
            "{refused}"
        );
        let refused = Profile::load(folder.path().join("none.toml")).unwrap_err();
        assert!(refused.to_string().contains("none.toml"), "{refused}");
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let builder = || ClientBuilder::new().profile(Profile::new(["a:1"], ""));
        assert!(builder().build().is_ok());
        let short = builder().session_timeout(Duration::from_millis(999));
        assert!(matches!(short.build(), Err(Error::Configuration(_))));
        assert!(matches!(
            ClientBuilder::new().build(),
            Err(Error::Configuration(_))
        ));
        let nowhere = ClientBuilder::new().profile(Profile::new(Vec::<String>::new(), ""));
        assert!(matches!(nowhere.build(), Err(Error::Configuration(_))));
    }
}
