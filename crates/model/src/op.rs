//! What a client may ask. Says nothing of how, or whether, it is done.

#![allow(missing_docs, reason = "the variants say what their fields are")]

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Acl, Claim, EnsembleChange, JoinToken, Lifetime, Limits, PublisherKey, Quota, SessionId,
    Sha256, Signature, WatchKind, ZnodePath, Zxid,
};

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
    /// Several reads of one point in time, each with its own result; none of them leaves a watch.
    MultiRead {
        reads: Vec<Read>,
        linearizable: bool,
    },
    /// A watch that stays, or the end of one.
    Watch(WatchOp),
    /// Proves one more identity, which the session has on this connection from now on.
    Authenticate(Claim),
    /// What a call would come to, as far as this server knows. Nothing is done.
    Explain {
        mount: ZnodePath,
        op: String,
        input: Bytes,
    },
}

/// What a session asks about watches beside leaving one with a read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchOp {
    /// A watch that stays until it is removed: of one node, or of a node and everything below it.
    Add {
        path: ZnodePath,
        recursive: bool,
        /// Also what happened behind this transaction, as far as this server remembers.
        since: Option<Zxid>,
    },
    /// Takes a watch back. Nothing if it has fired meanwhile.
    Remove { path: ZnodePath, kind: WatchKind },
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
    /// The access control list and the stat.
    Acl { path: ZnodePath },
    /// How many nodes are below it.
    Count { path: ZnodePath },
    /// Nodes at or below a path that end with a session: with that one, or with any.
    Ephemerals {
        session: Option<SessionId>,
        under: ZnodePath,
        page: PathsPage,
    },
    /// Who this session has proved to be.
    WhoAmI,
    /// What this server has seen of the plugin at a mount, or of all.
    PluginStats { mount: Option<ZnodePath> },
    /// Lines that plugins have logged on this server: of a mount or of all, behind a number.
    PluginLog {
        mount: Option<ZnodePath>,
        after: u64,
    },
}

impl Read {
    /// The node it names, if it names one.
    pub fn path(&self) -> Option<&ZnodePath> {
        match self {
            Self::Get { path, .. }
            | Self::Exists { path, .. }
            | Self::Children { path, .. }
            | Self::Acl { path }
            | Self::Count { path }
            | Self::Ephemerals { under: path, .. } => Some(path),
            Self::PluginStats { mount } | Self::PluginLog { mount, .. } => mount.as_ref(),
            Self::WhoAmI => None,
        }
    }

    /// True if it leaves a watch.
    pub const fn leaves_watch(&self) -> bool {
        matches!(
            self,
            Self::Get { watch: true, .. }
                | Self::Exists { watch: true, .. }
                | Self::Children { watch: true, .. }
        )
    }
}

/// Which paths to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathsPage {
    /// Only paths behind this one.
    pub after: Option<ZnodePath>,
    /// At most so many; 0 means the server's maximum ([`crate::limits::CHILDREN_PAGE_MAX`]).
    pub limit: u32,
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
    /// The end of a node and of everything below it, children before their parents: at most
    /// [`crate::limits::SUBTREE_DELETE_MAX`] nodes at a time, so that it may have to be asked again.
    DeleteSubtree { path: ZnodePath },
    /// Limits how much a node and everything below it may hold; none if there is nothing to limit.
    SetQuota { path: ZnodePath, quota: Quota },
    /// Another session's end.
    KillSession(SessionId),
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
    /// A new access control list; refused if a version is named and is not the list's.
    SetAcl {
        path: ZnodePath,
        acl: Acl,
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
            | Self::Check { path, .. }
            | Self::SetAcl { path, .. } => path,
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
    /// Until it is deleted, or has had children and has had none for a while.
    Container,
    /// Until it is deleted, or nobody has set its data for so many milliseconds while it has no
    /// children.
    Ttl(u64),
    /// The same, with the parent's next sequence number glued to its name.
    TtlSequential(u64),
}

impl CreateMode {
    /// True for the three sequential modes.
    pub const fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential | Self::EphemeralSequential | Self::TtlSequential(_)
        )
    }

    /// True for the two ephemeral modes.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    /// How long such a node lives if `session` makes it.
    pub const fn lifetime(self, session: SessionId) -> Lifetime {
        match self {
            Self::Persistent | Self::PersistentSequential => Lifetime::Persistent,
            Self::Ephemeral | Self::EphemeralSequential => Lifetime::Ephemeral(session),
            Self::Container => Lifetime::Container,
            Self::Ttl(ms) | Self::TtlSequential(ms) => Lifetime::Ttl(ms),
        }
    }
}

/// The life cycle of plugins, each step one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PluginOp {
    /// A piece of a component, addressed by the hash of the whole. Pieces come in order; a piece
    /// that is already there is answered as if it had just arrived.
    PushChunk {
        /// The plugin it is meant for, by whose access control list it may be pushed.
        name: String,
        sha256: Sha256,
        total: u64,
        offset: u64,
        data: Bytes,
    },
    /// Makes a complete component a revision of a plugin, once the leader has compiled it.
    Register {
        name: String,
        sha256: Sha256,
        signature: Option<Signature>,
    },
    /// Makes a revision the one in use, everywhere the plugin is mounted.
    Activate {
        name: String,
        sha256: Sha256,
        /// Also if callers of the present one may not get along with it.
        breaking: bool,
    },
    /// Binds a plugin's active revision to a path; the node is created.
    Mount {
        name: String,
        path: ZnodePath,
        config: BTreeMap<String, String>,
        limits: Limits,
    },
    /// Takes a plugin off a path: parked calls fail, the nodes below stay and become ordinary.
    Unmount { path: ZnodePath },
    /// Gives a mount another config and other limits.
    Configure {
        path: ZnodePath,
        config: BTreeMap<String, String>,
        limits: Limits,
    },
    /// Refuses commands at a mount, and lets its events wait, until it is resumed.
    Pause { path: ZnodePath, reason: String },
    /// Ends a pause; what waited comes first.
    Resume { path: ZnodePath },
    /// Puts a mount that failed too often back into service, with the events that wait or without.
    ClearQuarantine { path: ZnodePath, drop_events: bool },
    /// Forgets a revision that is not in use; or, if none is named, a plugin that is mounted nowhere.
    Remove {
        name: String,
        sha256: Option<Sha256>,
    },
    /// Sets a publisher's key; or, if there is none, forgets the publisher.
    SetPublisher {
        name: String,
        key: Option<PublisherKey>,
    },
    /// Says whether every revision must be signed by a publisher.
    RequireSignatures(bool),
}
