//! One of the two doors between brain and shell: everything that can happen to a server.

use zareba_model::{
    Acked, Fault, JoinRequest, Op, PluginDescription, Principal, Relay, ServerId, Sha256, Xid, Zxid,
};
use zareba_wire::Hello;
use zareba_zab::{Message, Token};

/// The time, as the shell reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Microseconds since some fixed moment of this process; never goes back. All waiting and
    /// expiry is measured by it.
    pub monotonic: zareba_zab::Now,
    /// Milliseconds since the Unix epoch; only ever written down, never waited for.
    pub wall_ms: u64,
}

/// One client's connection, a number the shell never uses twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Input {
    /// Time has passed; sent every ten milliseconds or so.
    Tick,
    /// A client said hello. `random` is 16 fresh random bytes, a new session's password;
    /// `principals` is who the client proved to be.
    Hello {
        connection: ConnectionId,
        hello: Hello,
        random: [u8; 16],
        principals: Vec<Principal>,
    },
    /// A client asks. `acked` is what has reached it.
    Request {
        connection: ConnectionId,
        xid: Xid,
        acked: Acked,
        op: Op,
    },
    /// A client has tried to prove one more identity, as one of its requests.
    Identified {
        connection: ConnectionId,
        xid: Xid,
        acked: Acked,
        result: Result<Vec<Principal>, Fault>,
    },
    /// A client lives.
    Ping { connection: ConnectionId },
    /// A client asks about the server itself; it may not have said hello.
    Status { connection: ConnectionId },
    /// A new server asks to become a member, before any hello.
    Join {
        connection: ConnectionId,
        request: JoinRequest,
    },
    /// A client's connection is gone.
    Disconnected { connection: ConnectionId },
    /// A link to a peer stands.
    PeerUp(ServerId),
    /// A link to a peer broke.
    PeerDown(ServerId),
    /// A peer's broadcast message.
    Zab { from: ServerId, message: Message },
    /// A peer's message about clients' requests.
    Relay { from: ServerId, relay: Relay },
    /// Every log write up to this token is durable.
    Persisted(Token),
    /// The answer to [`crate::Output::ReadLog`].
    LogRead {
        to: ServerId,
        after: Zxid,
        result: zareba_zab::LogRead,
    },
    /// The image write handed out last is done; the next may follow.
    ImageWritten,
    /// The snapshot that began at `base` is durable: image flipped, log empty behind `base`.
    SnapshotInstalled { base: Zxid },
    /// A component was compiled, or refused with a reason.
    Compiled {
        sha256: Sha256,
        result: Result<PluginDescription, String>,
    },
}
