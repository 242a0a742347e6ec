//! The native protocol's messages, one ordered stream per session.
//!
//! The client opens one bidirectional stream and sends `Hello`; the server answers `Welcome` or
//! `Goodbye`. From then on requests go one way, and replies, events and pongs the other; and the server
//! says who the members are.

use serde::{Deserialize, Serialize};
use zareba_model::{
    Acked, Answer, Claim, Ensemble, Event, Fault, Op, Password, ServerId, ServerStatus, SessionId,
    WatchSpec, Xid, Zxid,
};

/// The protocol's name in TLS.
pub const ALPN: &[u8] = b"zareba/1";

/// The newest version of the messages that this build speaks.
pub const VERSION: u16 = 2;

/// From client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum ClientMessage {
    /// First, once.
    Hello {
        version: u16,
        hello: Hello,
        /// Who the client is beside what its certificate and address say.
        claims: Vec<Claim>,
    },
    /// A request, and which answers have been received.
    Request { xid: Xid, acked: Acked, op: Op },
    /// I live.
    Ping,
    /// Asks the server about itself; may be the only message of a stream, without `Hello`.
    Status,
    /// A new server wants to become a member; the only message of a stream, without `Hello`.
    Join(JoinMessage),
}

/// How a client enters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Hello {
    /// With a new session.
    Open { timeout_ms: u32 },
    /// Back to its session, from this or another server. The server must have applied
    /// `last_zxid`; unanswered requests are sent again, with their xids, after `Welcome`.
    Attach {
        session: SessionId,
        password: Password,
        last_zxid: Zxid,
        watches: Vec<WatchSpec>,
    },
    /// With a session of this server alone, which costs no transaction and ends with the connection:
    /// for reading and watching. `last_zxid` and `watches` as above; said again on the same stream as
    /// [`Hello::Open`], it becomes a session of the ensemble and keeps its watches.
    Local {
        last_zxid: Zxid,
        watches: Vec<WatchSpec>,
        /// Also while the server has no leader, and what it reads may be old.
        read_only: bool,
    },
}

/// What a session is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionKind {
    /// Everything: it is the whole ensemble's.
    #[default]
    Full,
    /// Reading and watching: it is this server's alone.
    Local,
}

/// From server to client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum ServerMessage {
    /// The session is held here.
    Welcome(Welcome),
    /// The answer to a request. `zxid` is what this server had applied.
    Reply {
        xid: Xid,
        zxid: Zxid,
        answer: Answer,
    },
    /// A watch fired.
    Event(Event),
    /// The answer to `Ping`. It says that this server is alive, not that the session is.
    Pong { zxid: Zxid },
    /// The last message on this stream: why the server ends it. `SessionExpired` ends the session,
    /// `NotServing` asks to try another server, `SessionMoved` says that the session has gone on.
    Goodbye(Fault),
    /// The answer to `Status`.
    Status(ServerStatus),
    /// The answer to `Join`: the new server is a member. Refusals are a `Goodbye`.
    Joined(Joined),
    /// Where clients reach the members of the ensemble: said behind `Welcome`, and again whenever
    /// the members change.
    Members {
        version: u64,
        addresses: Vec<String>,
    },
    /// The ensemble's leader has heard of the session since its client had sent the first `heard` requests
    /// and pings over this connection: its timeout begins anew no earlier than that. Not said of a session
    /// of one server.
    Renewed { heard: u64 },
}

/// What a client learns on entering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version both speak.
    pub version: u16,
    /// The session.
    pub session: SessionId,
    /// What to show to come back to it.
    pub password: Password,
    /// What it is good for.
    pub kind: SessionKind,
    /// The timeout the server granted, milliseconds; 0 for a local session.
    pub timeout_ms: u32,
    /// The server that holds it now.
    pub server: ServerId,
    /// What this server had applied.
    pub zxid: Zxid,
}

/// What a server shows that wants to become a member. `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinMessage {
    /// The token's secret.
    pub secret: [u8; 32],
    /// A certificate signing request, PEM; the key stays where it was made.
    pub request_pem: String,
    /// Where other servers will reach it, `host:port`.
    pub peer_address: String,
    /// Where clients will reach it, `host:port`.
    pub client_address: String,
}

impl std::fmt::Debug for JoinMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JoinMessage({}, redacted)", self.peer_address)
    }
}

/// What a new member needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its number.
    pub server: ServerId,
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// Who signed it and all others, PEM.
    pub ca_pem: String,
    /// The ensemble that it is a member of.
    pub ensemble: Ensemble,
}
