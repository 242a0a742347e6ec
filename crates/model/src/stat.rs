//! Znode metadata as clients see it. Knows no tree.

use serde::{Deserialize, Serialize};

use crate::{SessionId, Zxid};

/// ZooKeeper's eleven fields, with 64-bit versions.
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
    /// The session that owns it, or [`SessionId::NONE`].
    pub ephemeral_owner: SessionId,
    /// Bytes of data.
    pub data_length: u32,
    /// Number of children.
    pub num_children: u64,
}
