//! What a client may ask. Says nothing of how, or whether, it is done.

#![allow(missing_docs, reason = "the variants say what their fields are")]

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Acl, EnsembleChange, JoinToken, Limits, Sha256, ZnodePath};

/// One request of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Answered by the server that holds the session, behind the session's own earlier requests.
    Read(Read),
    /// Ordered by the leader.
    Write(Write),
    /// Answered once this server has applied all that was committed when the leader saw it.
    Sync,
    /// An operation of a mounted plugin: a query or a command, as its description says.
    Call {
        /// The plugin's mount.
        mount: ZnodePath,
        /// The operation's name.
        op: String,
        /// Its input; JSON for the standard recipes.
        input: Bytes,
    },
    /// A read that sees at least all that was acknowledged to anybody before it was asked: a quorum
    /// confirms first that the leader still leads.
    LinearizableRead(Read),
}

/// A request that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// Data and stat; the watch fires when the data changes or the node goes.
    Get { path: ZnodePath, watch: bool },
    /// Stat or nothing; the watch fires when the node comes, changes or goes.
    Exists { path: ZnodePath, watch: bool },
    /// Names of children in order; the watch fires when the list changes or the node goes.
    Children {
        path: ZnodePath,
        page: ChildrenPage,
        watch: bool,
    },
}

/// Which children to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildrenPage {
    /// Only names behind this one.
    pub after: Option<String>,
    /// Only names that start so; empty for all.
    pub prefix: String,
    /// At most so many; 0 means the server's maximum ([`crate::limits::CHILDREN_PAGE_MAX`]).
    pub limit: u32,
}

/// A request that the leader turns into one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Write {
    /// One change of the tree.
    Change(Change),
    /// Several changes, all or none.
    Multi(Vec<Change>),
    /// Something about plugins.
    Plugin(PluginOp),
    /// The session's end.
    CloseSession,
    /// Something about the ensemble itself.
    Ensemble(EnsembleOp),
}

/// What an operator does to the ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnsembleOp {
    /// Changes the members; refused if a version is named and is not the ensemble's.
    Change {
        change: EnsembleChange,
        version: Option<u64>,
    },
    /// Lets whoever holds the token's secret join, once; it holds for so long from now.
    AddToken { token: JoinToken, ttl_ms: u64 },
}

/// One change of the tree, as a client may ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A new node.
    Create {
        path: ZnodePath,
        data: Bytes,
        mode: CreateMode,
        acl: Acl,
    },
    /// New data; refused if a version is named and is not the node's.
    Set {
        path: ZnodePath,
        data: Bytes,
        version: Option<u64>,
    },
    /// The node's end; refused if it has children or another version than named.
    Delete {
        path: ZnodePath,
        version: Option<u64>,
    },
    /// Nothing, but refused if the node is not there or has another version than named.
    Check {
        path: ZnodePath,
        version: Option<u64>,
    },
}

impl Change {
    /// The path it names.
    pub fn path(&self) -> &ZnodePath {
        match self {
            Self::Create { path, .. }
            | Self::Set { path, .. }
            | Self::Delete { path, .. }
            | Self::Check { path, .. } => path,
        }
    }
}

/// How long a node lives and how it is named.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum CreateMode {
    /// Until it is deleted.
    #[default]
    Persistent,
    /// The same, with the parent's next sequence number glued to its name.
    PersistentSequential,
    /// Until it is deleted or its session ends.
    Ephemeral,
    /// The same, with the parent's next sequence number glued to its name.
    EphemeralSequential,
}

impl CreateMode {
    /// True for the two sequential modes.
    pub const fn is_sequential(self) -> bool {
        matches!(self, Self::PersistentSequential | Self::EphemeralSequential)
    }

    /// True for the two ephemeral modes.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }
}

/// The life cycle of plugins, each step one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PluginOp {
    /// A piece of a component, addressed by the hash of the whole. Pieces come in order; a piece
    /// that is already there is answered as if it had just arrived.
    PushChunk {
        sha256: Sha256,
        total: u64,
        offset: u64,
        data: Bytes,
    },
    /// Makes a complete component a revision of a plugin, once this server has compiled it.
    Register { name: String, sha256: Sha256 },
    /// Makes a revision the one in use, everywhere the plugin is mounted.
    Activate { name: String, sha256: Sha256 },
    /// Binds a plugin's active revision to a path; the node is created.
    Mount {
        name: String,
        path: ZnodePath,
        config: BTreeMap<String, String>,
        limits: Limits,
    },
    /// Takes a plugin off a path: parked calls fail, the nodes below stay and become ordinary.
    Unmount { path: ZnodePath },
}
