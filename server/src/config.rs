//! What a server is told: one TOML file, turned into valid types once. Must never open anything but
//! that file.
//!
//! ```toml
//! id = 1
//! data_dir = "data"                  # relative paths are relative to this file
//! client_listen = "0.0.0.0:7400"
//! peer_listen = "0.0.0.0:7401"
//! certificate = "server.pem"         # names this server's id
//! key = "server.key"
//! ca = "ca.pem"                      # who signs the certificates of all members
//! client_ca = "clients.pem"          # who signs clients' certificates; as `ca` if left out
//! names = ["a.example.org"]          # where clients find this server, optional
//! bootstrap = true                   # optional; false: never begins a new ensemble, see the field
//! peer_address = "a.example.org:7401"    # where other members find it; as `peer_listen` if left out
//! client_address = "a.example.org:7400"  # where clients find it; as `client_listen` if left out
//! ca_key = "ca.key"                  # optional: this server signs new members' certificates
//! superusers = ["x509:CN=admin"]     # optional: identities that may do everything, as SCHEME:ID
//! audit_log = "audit.jsonl"          # optional: who asked for what, one JSON object a line
//!
//! [[peers]]                          # every other member; none for an ensemble of one
//! id = 2
//! address = "b.example.org:7401"
//! role = "voter"                     # or "observer"; optional, as are weight = 1 and group = 0
//!
//! [timing]                           # optional; defaults suit one data centre
//! heartbeat_ms = 30                  # how often a leader speaks, 10 to 60000
//! silence_max_ms = 300               # who is silent for so long is given up; at least 3 heartbeats
//!
//! [limits]                           # optional
//! connections_max = 10000
//! connections_per_address_max = 10000
//! sessions_per_identity_max = 10000
//! handshakes_max = 1000
//! ```
//!
//! The members named here found the ensemble; from then on it changes by transactions, and what the
//! tree says holds (`zareba ensemble status`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use zareba_model::{Ensemble, Member, MemberRole, Members, Principal, ServerId};

/// One server, as its operator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Its number in the ensemble.
    pub id: ServerId,
    /// Where its state lives; nothing else may use it.
    pub data_dir: PathBuf,
    /// With an empty data directory it does not vote, for it may have lost a disk from which it
    /// acknowledged writes: a leader refills it first. A new ensemble begins once all its voters
    /// are up, and all are empty. If this is false, this server never begins one.
    pub bootstrap: bool,
    /// Where clients connect; port 0 takes a free one.
    pub client_listen: SocketAddr,
    /// Where peers connect; port 0 takes a free one.
    pub peer_listen: SocketAddr,
    /// The members, this server included, as they are until the tree says otherwise.
    pub ensemble: Ensemble,
    /// PEM files that prove who it is.
    pub identity: IdentityFiles,
    /// Names under which clients find it.
    pub names: Vec<String>,
    /// Identities that may do everything, whatever a list says. All members should name the same.
    pub superusers: Vec<Principal>,
    /// Where it is written down who asked for what, if it is to be.
    pub audit_log: Option<PathBuf>,
    /// Times of broadcast.
    pub timing: Timing,
    /// Bounds on clients.
    pub limits: DoorLimits,
}

/// PEM files that prove who a server is, and who may say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The certificate of the authority that signs all members.
    pub ca: PathBuf,
    /// The certificate of the authority that signs clients; it may be the same.
    pub client_ca: PathBuf,
    /// The authority's private key, at a server that signs new members' certificates.
    pub ca_key: Option<PathBuf>,
}

/// Times of broadcast that an operator may change, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A leader speaks at least so often.
    pub heartbeat_ms: u64,
    /// A leader or follower silent for so long is given up. This is for hosts and networks that
    /// fail without a word: that a process was killed, its host tells at once. Ten heartbeats, so
    /// that a leader whose machine is overloaded is not deposed for it; time in which a server
    /// itself stood still does not count (docs/decisions/0006).
    pub silence_max_ms: u64,
}

/// Bounds on the clients of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorLimits {
    /// Connections in all: each costs memory even when idle.
    pub connections_max: usize,
    /// Connections from one address: one machine shall not take all of them.
    pub connections_per_address_max: usize,
    /// Sessions held here of one identity: one application shall not take all of what a session costs.
    pub sessions_per_identity_max: usize,
    /// Handshakes at once: each costs a signature.
    pub handshakes_max: usize,
}

impl Default for Timing {
    /// Ten heartbeats; with three servers and the load on two cores that other work kept busy
    /// besides, no leader was deposed for its slowness (docs/decisions/0006).
    fn default() -> Self {
        Self {
            heartbeat_ms: 30,
            silence_max_ms: 300,
        }
    }
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_address_max: 10_000,
            sessions_per_identity_max: 10_000,
            handshakes_max: 1_000,
        }
    }
}

/// Why a configuration file is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration file {path}: {error}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// It is no TOML, lacks a key, has an unknown one, or has a value of another type.
    #[error("the configuration is not valid:\n{0}")]
    Malformed(#[from] toml::de::Error),
    /// A value cannot be used.
    #[error("`{key}` is {found}, expected {expected}")]
    Invalid {
        /// The key.
        key: String,
        /// What it was set to.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl ServerConfig {
    /// Reads a configuration file. Relative paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads a configuration; relative paths in it are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text)?;
        let id = server_id("id", file.id)?;
        let client_listen = listen_address("client_listen", &file.client_listen)?;
        let peer_listen = listen_address("peer_listen", &file.peer_listen)?;
        let own = Member {
            role: role(file.role, file.weight, file.group)?,
            peer_address: own_address("peer_address", file.peer_address, peer_listen)?,
            client_address: own_address("client_address", file.client_address, client_listen)?,
        };
        let mut members = peers(id, file.peers)?;
        members.insert(id, own);
        let ensemble = Ensemble {
            version: file.ensemble_version,
            members,
            outgoing: None,
        };
        Ok(Self {
            id,
            data_dir: folder.join(file.data_dir),
            bootstrap: file.bootstrap.unwrap_or(true),
            client_listen,
            peer_listen,
            ensemble,
            identity: IdentityFiles {
                certificate: folder.join(file.certificate),
                key: folder.join(file.key),
                client_ca: folder.join(file.client_ca.as_ref().unwrap_or(&file.ca)),
                ca: folder.join(file.ca),
                ca_key: file.ca_key.map(|key| folder.join(key)),
            },
            names: file.names,
            superusers: superusers(&file.superusers)?,
            audit_log: file.audit_log.map(|path| folder.join(path)),
            timing: file.timing.try_into()?,
            limits: file.limits.try_into()?,
        })
    }

    /// How broadcast takes part.
    pub(crate) fn zab(&self) -> zareba_zab::Config {
        let mut zab = zareba_zab::Config::new(self.id, []);
        zab.ensemble = self.ensemble.clone();
        zab.heartbeat_ms = self.timing.heartbeat_ms;
        zab.silence_max_ms = self.timing.silence_max_ms;
        zab
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: u64,
    data_dir: PathBuf,
    bootstrap: Option<bool>,
    client_listen: String,
    peer_listen: String,
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
    client_ca: Option<PathBuf>,
    ca_key: Option<PathBuf>,
    peer_address: Option<String>,
    client_address: Option<String>,
    role: Option<RoleWord>,
    weight: Option<u32>,
    group: Option<u32>,
    /// Written by a server that has joined: the version of the ensemble that it joined.
    #[serde(default)]
    ensemble_version: u64,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    superusers: Vec<String>,
    audit_log: Option<PathBuf>,
    #[serde(default)]
    peers: Vec<PeerTable>,
    #[serde(default)]
    timing: TimingTable,
    #[serde(default)]
    limits: LimitsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerTable {
    id: u64,
    /// Left out if it is not known: then that server has to dial this one.
    address: Option<String>,
    client_address: Option<String>,
    role: Option<RoleWord>,
    weight: Option<u32>,
    group: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleWord {
    Voter,
    Observer,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimingTable {
    heartbeat_ms: Option<u64>,
    silence_max_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    connections_max: Option<usize>,
    connections_per_address_max: Option<usize>,
    sessions_per_identity_max: Option<usize>,
    handshakes_max: Option<usize>,
}

impl TryFrom<TimingTable> for Timing {
    type Error = ConfigError;

    fn try_from(table: TimingTable) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let heartbeat_ms = table.heartbeat_ms.unwrap_or(defaults.heartbeat_ms);
        let silence_max_ms = table.silence_max_ms.unwrap_or(defaults.silence_max_ms);
        if !(TICK_MS..=60_000).contains(&heartbeat_ms) {
            return Err(ConfigError::Invalid {
                key: "timing.heartbeat_ms".to_owned(),
                found: heartbeat_ms.to_string(),
                expected: "10 to 60000: time is looked at every 10 milliseconds",
            });
        }
        if silence_max_ms < 3 * heartbeat_ms || silence_max_ms > 600_000 {
            return Err(ConfigError::Invalid {
                key: "timing.silence_max_ms".to_owned(),
                found: silence_max_ms.to_string(),
                expected: "at least three times timing.heartbeat_ms and at most 600000, so that \
                           one late heartbeat does not end a leader",
            });
        }
        Ok(Self {
            heartbeat_ms,
            silence_max_ms,
        })
    }
}

impl TryFrom<LimitsTable> for DoorLimits {
    type Error = ConfigError;

    fn try_from(table: LimitsTable) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        Ok(Self {
            connections_max: at_least_one(
                "limits.connections_max",
                table.connections_max,
                defaults.connections_max,
            )?,
            connections_per_address_max: at_least_one(
                "limits.connections_per_address_max",
                table.connections_per_address_max,
                defaults.connections_per_address_max,
            )?,
            sessions_per_identity_max: at_least_one(
                "limits.sessions_per_identity_max",
                table.sessions_per_identity_max,
                defaults.sessions_per_identity_max,
            )?,
            handshakes_max: at_least_one(
                "limits.handshakes_max",
                table.handshakes_max,
                defaults.handshakes_max,
            )?,
        })
    }
}

fn superusers(texts: &[String]) -> Result<Vec<Principal>, ConfigError> {
    let principal = |text: &String| match text.split_once(':') {
        Some((scheme @ ("x509" | "digest"), id)) if !id.is_empty() => Ok(Principal {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        }),
        _ => Err(ConfigError::Invalid {
            key: "superusers".to_owned(),
            found: format!("\"{text}\""),
            expected: "a certificate's name, \"x509:CN=admin\", or a user and the hash of user and \
                       password, \"digest:USER:HASH\" (`zareba acl digest` computes it)",
        }),
    };
    texts.iter().map(principal).collect()
}

fn at_least_one(key: &str, set: Option<usize>, default: usize) -> Result<usize, ConfigError> {
    match set {
        Some(0) => Err(ConfigError::Invalid {
            key: key.to_owned(),
            found: "0".to_owned(),
            expected: "at least 1",
        }),
        Some(value) => Ok(value),
        None => Ok(default),
    }
}

fn server_id(key: &str, found: u64) -> Result<ServerId, ConfigError> {
    if found == 0 {
        return Err(ConfigError::Invalid {
            key: key.to_owned(),
            found: "0".to_owned(),
            expected: "a number from 1 that no other member has",
        });
    }
    Ok(ServerId(found))
}

fn listen_address(key: &str, found: &str) -> Result<SocketAddr, ConfigError> {
    found.parse().map_err(|_| ConfigError::Invalid {
        key: key.to_owned(),
        found: format!("\"{found}\""),
        expected: "an IP address and a port, such as \"0.0.0.0:7400\" or \"[::1]:7400\"",
    })
}

fn peers(me: ServerId, tables: Vec<PeerTable>) -> Result<Members, ConfigError> {
    let mut peers = Members::new();
    for table in tables {
        let id = server_id("peers.id", table.id)?;
        if id == me || peers.contains_key(&id) {
            return Err(ConfigError::Invalid {
                key: "peers.id".to_owned(),
                found: id.to_string(),
                expected: "every other member once, and not this server's own id",
            });
        }
        let member = Member {
            role: role(table.role, table.weight, table.group)?,
            peer_address: address(&format!("peers.address of server {id}"), table.address)?,
            client_address: address(
                &format!("peers.client_address of server {id}"),
                table.client_address,
            )?,
        };
        peers.insert(id, member);
    }
    Ok(peers)
}

fn role(
    word: Option<RoleWord>,
    weight: Option<u32>,
    group: Option<u32>,
) -> Result<MemberRole, ConfigError> {
    match word {
        Some(RoleWord::Observer) if weight.is_some() || group.is_some() => {
            Err(ConfigError::Invalid {
                key: "role".to_owned(),
                found: "\"observer\"".to_owned(),
                expected: "\"voter\" where a weight or a group is given: observers do not count",
            })
        }
        Some(RoleWord::Observer) => Ok(MemberRole::Observer),
        Some(RoleWord::Voter) | None => Ok(MemberRole::Voter {
            weight: weight.unwrap_or(1),
            group: group.unwrap_or(0),
        }),
    }
}

/// An address, or nothing if it is not known.
fn address(key: &str, found: Option<String>) -> Result<String, ConfigError> {
    let Some(found) = found else {
        return Ok(String::new());
    };
    if is_host_and_port(&found) {
        return Ok(found);
    }
    Err(ConfigError::Invalid {
        key: key.to_owned(),
        found: format!("\"{found}\""),
        expected: "a host and a port, such as \"b.example.org:7401\"",
    })
}

/// Where others find this server: where it listens, unless that is every address or a free port.
fn own_address(
    key: &str,
    found: Option<String>,
    listen: SocketAddr,
) -> Result<String, ConfigError> {
    let is_a_place = !listen.ip().is_unspecified() && listen.port() != 0;
    address(key, found.or(is_a_place.then(|| listen.to_string())))
}

fn is_host_and_port(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}

/// How often the loop looks at the time, milliseconds. All waiting is in multiples of heartbeats,
/// several times as long.
pub(crate) const TICK_MS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"
        id = 1
        data_dir = "data"
        client_listen = "127.0.0.1:7400"
        peer_listen = "127.0.0.1:7401"
        certificate = "server.pem"
        key = "/etc/zareba/server.key"
        ca = "ca.pem"
        names = ["a.example.org"]
        [[peers]]
        id = 2
        address = "b.example.org:7401"
        [timing]
        heartbeat_ms = 100
        silence_max_ms = 900
        [limits]
        connections_max = 5
    "#;

    fn parse(text: &str) -> Result<ServerConfig, ConfigError> {
        ServerConfig::parse(text, Path::new("/srv"))
    }

    fn refusal(from: &str, to: &str) -> String {
        assert!(FULL.contains(from));
        parse(&FULL.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn a_full_file_becomes_a_valid_configuration() {
        let config = parse(FULL).unwrap();
        assert_eq!(config.id, ServerId(1));
        assert_eq!(config.data_dir, Path::new("/srv/data"));
        assert_eq!(config.identity.certificate, Path::new("/srv/server.pem"));
        assert_eq!(config.identity.key, Path::new("/etc/zareba/server.key"));
        assert_eq!(config.identity.client_ca, Path::new("/srv/ca.pem"));
        let peer = &config.ensemble.members[&ServerId(2)];
        assert_eq!(peer.peer_address, "b.example.org:7401");
        assert_eq!(peer.role, MemberRole::VOTER);
        let own = &config.ensemble.members[&ServerId(1)];
        assert_eq!(own.peer_address, "127.0.0.1:7401");
        assert_eq!(own.client_address, "127.0.0.1:7400");
        assert_eq!(config.limits.connections_max, 5);
        assert_eq!(config.limits.sessions_per_identity_max, 10_000);
        assert_eq!(config.limits.handshakes_max, 1_000);
        let zab = config.zab();
        assert_eq!((zab.heartbeat_ms, zab.silence_max_ms), (100, 900));
        assert_eq!(zab.ensemble.voters(), [ServerId(1), ServerId(2)].into());
    }

    #[test]
    fn members_have_roles_weights_groups_and_the_addresses_others_find_them_at() {
        let text = FULL
            .replace("127.0.0.1:7401", "0.0.0.0:7401")
            .replace("127.0.0.1:7400", "0.0.0.0:7400")
            .replace("names =", "client_address = \"a:1\"\nweight = 2\nnames =")
            .replace("id = 2", "id = 2\nrole = \"observer\"");
        let members = parse(&text).unwrap().ensemble.members;
        let own = &members[&ServerId(1)];
        let (weight, group) = (2, 0);
        assert_eq!(own.role, MemberRole::Voter { weight, group });
        assert_eq!((&*own.peer_address, &*own.client_address), ("", "a:1"));
        assert_eq!(members[&ServerId(2)].role, MemberRole::Observer);
        let refused = parse(&text.replace("\"observer\"", "\"observer\"\ngroup = 1"));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("observers do not count"), "{refused}");
    }

    #[test]
    fn a_superuser_is_named_by_a_scheme_that_proves_somebody() {
        let with = |superusers: &str| {
            parse(&FULL.replace("names =", &format!("superusers = [{superusers}]\nnames =")))
        };
        let config = with(r#""x509:CN=admin", "digest:op:aGFzaA==""#).unwrap();
        assert_eq!(config.superusers[1].id, "op:aGFzaA==");
        for bad in [r#""world:anyone""#, r#""x509:""#, r#""admin""#] {
            let refused = with(bad).unwrap_err().to_string();
            assert!(refused.starts_with("`superusers` is"), "{refused}");
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let text = FULL.split("names").next().unwrap();
        let config = parse(text).unwrap();
        assert_eq!(config.ensemble.members.len(), 1);
        assert!(config.names.is_empty());
        assert_eq!(config.timing, Timing::default());
        assert_eq!(config.limits, DoorLimits::default());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let refused = refusal("connections_max", "conections_max");
        assert!(refused.contains("conections_max"), "{refused}");
        assert!(refused.contains("connections_max"), "{refused}");
    }

    #[test]
    fn a_missing_key_is_refused_by_name() {
        let refused = refusal("data_dir = \"data\"", "");
        assert!(refused.contains("data_dir"), "{refused}");
    }

    #[test]
    fn an_unusable_value_is_refused_with_what_was_expected() {
        let cases = [
            ("id = 1\n", "id = 0\n", "`id` is 0, expected a number"),
            (
                "127.0.0.1:7400",
                "localhost:7400",
                "`client_listen` is \"localhost:7400\", expected an IP address and a port",
            ),
            ("id = 2", "id = 1", "`peers.id` is 1, expected every other"),
            (
                "org:7401",
                "org",
                "`peers.address of server 2` is \"b.example.org\", expected a host",
            ),
            (
                "silence_max_ms = 900",
                "silence_max_ms = 200",
                "`timing.silence_max_ms` is 200, expected at least three times",
            ),
            (
                "heartbeat_ms = 100",
                "heartbeat_ms = 1",
                "`timing.heartbeat_ms` is 1, expected 10 to 60000",
            ),
            (
                "connections_max = 5",
                "connections_max = 0",
                "`limits.connections_max` is 0, expected at least 1",
            ),
        ];
        for (from, to, expected) in cases {
            let refused = refusal(from, to);
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_its_line() {
        let refused = refusal("heartbeat_ms = 100", "heartbeat_ms = \"soon\"");
        assert!(refused.contains("heartbeat_ms = \"soon\""), "{refused}");
    }
}
