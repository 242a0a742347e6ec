//! Znode metadata as clients see it. Knows no tree.

use serde::{Deserialize, Serialize};

use crate::{SessionId, Zxid};

/// How long a znode lives.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Lifetime {
    /// Until it is deleted.
    #[default]
    Persistent,
    /// Until that session ends.
    Ephemeral(SessionId),
    /// Until it has had children and has had none for a while.
    Container,
    /// Until nobody has set its data for so many milliseconds while it has no children.
    Ttl(u64),
}

impl Lifetime {
    /// The session that owns the node, or [`SessionId::NONE`].
    pub const fn owner(self) -> SessionId {
        match self {
            Self::Ephemeral(session) => session,
            Self::Persistent | Self::Container | Self::Ttl(_) => SessionId::NONE,
        }
    }
}

/// ZooKeeper's eleven fields, with 64-bit versions, and a lifetime in the place of its `ephemeralOwner`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stat {
    /// Transaction that created the node.
    pub czxid: Zxid,
    /// Transaction that last set its data.
    pub mzxid: Zxid,
    /// Transaction that last changed its list of children.
    pub pzxid: Zxid,
    /// Creation time, milliseconds since the Unix epoch.
    pub ctime: u64,
    /// Time of the last set, milliseconds since the Unix epoch.
    pub mtime: u64,
    /// How often its data was set.
    pub version: u64,
    /// How often its list of children changed.
    pub cversion: u64,
    /// How often its ACL was set.
    pub aversion: u64,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Bytes of data.
    pub data_length: u32,
    /// Number of children.
    pub num_children: u64,
}
