//! Where the servers are and how patient the client is, parsed once into valid values.
//! Knows no connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zareba_model::limits::{SESSION_TIMEOUT_MS_MAX, SESSION_TIMEOUT_MS_MIN};
use zareba_model::{Claim, Credential, ServerStatus};

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
/// # Who the client is, for servers whose access control lists name it (scheme `x509`); both or neither:
/// certificate = "app.pem"
/// key = "app-key.pem"
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The servers, as `host:port`; any of them will do.
    pub endpoints: Vec<String>,
    /// The certificates to trust, in PEM.
    pub ca_pem: String,
    /// The name that the servers' certificates carry.
    pub server_name: String,
    /// Who the client is, if it wants to be known as somebody: its common name is an identity of the scheme
    /// `x509`.
    pub certificate: Option<ClientCertificate>,
}

/// A certificate that a client shows, with its key. `Debug` hides the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and the servers' authority for clients, in PEM.
    pub certificate_pem: String,
    /// Its private key, in PEM.
    pub key_pem: Secret,
}

/// A text that must not be shown. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    endpoints: Vec<String>,
    ca: PathBuf,
    server_name: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
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
            certificate: None,
        }
    }

    /// The same with a certificate to show, and its private key, both in PEM.
    #[must_use]
    pub fn with_certificate(
        mut self,
        certificate_pem: impl Into<String>,
        key_pem: impl Into<String>,
    ) -> Self {
        self.certificate = Some(ClientCertificate {
            certificate_pem: certificate_pem.into(),
            key_pem: Secret(key_pem.into()),
        });
        self
    }

    /// Reads a profile file and the certificate files it names.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::parse(&read(path)?, path, read)
    }

    /// Reads the text of the profile file `path`; `read_pem` gets the places of the files that it names.
    pub fn parse(
        text: &str,
        path: &Path,
        mut read_pem: impl FnMut(&Path) -> Result<String, Error>,
    ) -> Result<Self, Error> {
        let file: ProfileFile = toml::from_str(text)
            .map_err(|error| Error::Configuration(format!("{}: {error}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut profile = Self::new(file.endpoints, read_pem(&folder.join(file.ca))?);
        if let Some(server_name) = file.server_name {
            profile.server_name = server_name;
        }
        match (file.certificate, file.key) {
            (None, None) => Ok(profile),
            (Some(certificate), Some(key)) => {
                let certificate = read_pem(&folder.join(certificate))?;
                Ok(profile.with_certificate(certificate, read_pem(&folder.join(key))?))
            }
            _ => Err(Error::Configuration(format!(
                "{} names a certificate without a key, or a key without a certificate; both are needed",
                path.display()
            ))),
        }
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
    entrance: Entrance,
    claims: Vec<Claim>,
}

/// What a session is to be when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The whole ensemble's.
    Full,
    /// One server's alone; also of one without a leader.
    Local { read_only: bool },
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
    pub(crate) entrance: Entrance,
    pub(crate) claims: Vec<Claim>,
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
            entrance: Entrance::Full,
            claims: Vec::new(),
        }
    }

    /// Begins with a local session: one of a single server, which costs no transaction and no quorum, for
    /// reading and watching. It has no timeout, and holds nothing: when its connection breaks, it is begun
    /// anew at another server, under another name, with its watches, which miss nothing, and never at
    /// a server that is behind what was seen. It is searched for as long as
    /// [`RetryPolicy::give_up`] says, which is for ever by default.
    ///
    /// Before the first write (a call of a plugin counts as one), it becomes a full session by itself, for
    /// good. The write, and what is asked behind it, waits until it has; if the connection breaks before,
    /// nothing was written, and the same is done at the next server.
    /// [`Client::session_kind`] says what it is now.
    pub fn local(mut self) -> Self {
        if self.entrance == Entrance::Full {
            self.entrance = Entrance::Local { read_only: false };
        }
        self
    }

    /// The same, and also at a server that has no leader, as in a minority of the ensemble: what it
    /// reads may be old then. A linearizable read, a sync or a write waits for a leader, here or at
    /// the next server.
    pub fn read_only(mut self) -> Self {
        self.entrance = Entrance::Local { read_only: true };
        self
    }

    /// An identity that the client proves to every server it comes to: `user:password` for the scheme
    /// `digest`. [`Client::authenticate`] adds one later. [`connect`](Self::connect) fails with
    /// `AUTH_FAILED` if it proves nothing.
    pub fn authenticate(
        mut self,
        scheme: impl Into<String>,
        credential: impl Into<String>,
    ) -> Self {
        self.claims.push(Claim {
            scheme: scheme.into(),
            credential: Credential(credential.into()),
        });
        self
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
            entrance: self.entrance,
            claims: self.claims,
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
    fn a_profile_names_a_certificate_with_its_key_or_neither() {
        let read = |path: &Path| Ok(path.display().to_string());
        let parse = |more: &str| {
            let text = format!("endpoints = [\"a:1\"]\nca = \"ca.pem\"\n{more}");
            Profile::parse(&text, Path::new("/etc/client.toml"), read)
        };
        let profile = parse("certificate = \"app.pem\"\nkey = \"/keys/app.pem\"").unwrap();
        let own = profile.certificate.clone().unwrap();
        assert_eq!(own.certificate_pem, "/etc/app.pem");
        assert_eq!(own.key_pem.0, "/keys/app.pem");
        assert!(!format!("{profile:?}").contains("/keys"), "{profile:?}");
        assert_eq!(parse("").unwrap().certificate, None);
        for half in ["certificate = \"app.pem\"", "key = \"app.pem\""] {
            let refused = parse(half).unwrap_err().to_string();
            assert!(refused.contains("both are needed"), "{refused}");
        }
    }

    #[test]
    fn secrets_are_in_no_debug_text() {
        let builder = ClientBuilder::new().authenticate("digest", "me:hunter2");
        assert!(!format!("{builder:?}").contains("hunter2"));
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
