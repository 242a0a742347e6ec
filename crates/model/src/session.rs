//! Sessions and the numbers that make their requests exactly-once. Knows no clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A session, named by the packed zxid of the transaction that opened it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SessionId(pub u64);

impl SessionId {
    /// No session: the system itself, or a node without an owner.
    pub const NONE: Self = Self(0);

    /// Set in the names that servers give to sessions of their own, which no transaction has opened.
    const LOCAL: u64 = 1 << 63;

    /// A server's own session of that number.
    pub const fn local(number: u64) -> Self {
        Self(number | Self::LOCAL)
    }

    /// True for a server's own session.
    pub const fn is_local(self) -> bool {
        self.0 & Self::LOCAL != 0
    }

    /// True for [`SessionId::NONE`].
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A request's number in its session. The client counts 1, 2, 3 … without a gap, reads included,
/// and never uses a number twice for different requests.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Xid(pub u64);

/// Which answers have reached a client: all up to an xid, except those of calls it still waits
/// for. Such a statement stays true for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acked {
    /// All requests up to this one …
    pub up_to: Xid,
    /// … except these, in order; at most [`crate::limits::ACKED_EXCEPT_MAX`].
    pub except: Vec<Xid>,
}

impl Acked {
    /// All up to `xid`, without exception.
    pub const fn up_to(xid: Xid) -> Self {
        Self {
            up_to: xid,
            except: Vec::new(),
        }
    }

    /// True if that request's answer has reached the client.
    pub fn contains(&self, xid: Xid) -> bool {
        xid <= self.up_to && !self.except.contains(&xid)
    }
}

/// How often a session has been attached to a server. Requests forwarded under an older
/// attachment are refused, so that a server the client has left cannot speak for it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Attachment(pub u64);

/// What a client shows to come back to its session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Password(pub [u8; 16]);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}
