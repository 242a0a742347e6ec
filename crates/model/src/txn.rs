//! What the log holds: effects already decided, with nothing left to refuse.
//!
//! Every effect is absolute (versions, counts and sequence numbers, never "one more"), so that
//! applying a suffix of the log again over a later state gives that later state.

#![allow(missing_docs, reason = "the variants say what their fields are")]

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Acked, Acl, Answer, Attachment, CallId, Ensemble, JoinToken, Lifetime, Mount, ParkedCall,
    Password, Publishers, Quota, Revision, ServerId, SessionId, Sha256, Timer, Xid, ZnodePath,
    Zxid,
};

/// One transaction. Its zxid stands beside it in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Txn {
    /// Transaction time, milliseconds since the Unix epoch; never goes back.
    pub time: u64,
    /// Whose request it is.
    pub cause: Cause,
    /// What it does, in order.
    pub effects: Vec<Effect>,
    /// The digest of an earlier state of the leader's tree, which every replica compares.
    pub mark: Option<DigestMark>,
}

/// One place of the log: a transaction's id and its encoded form, opaque to broadcast and disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the total order.
    pub zxid: Zxid,
    /// An encoded [`Txn`].
    pub payload: Bytes,
}

/// Why a transaction exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The leader's own doing: expiry, timers.
    System,
    /// A session's request, and what that session is told. `answer` is `None` if the request
    /// parked; an effect of a later transaction answers it.
    Request {
        /// Whose request.
        session: SessionId,
        /// Which.
        xid: Xid,
        /// The answers that the client has seen; they need not be kept.
        acked: Acked,
        /// The answer, kept until acknowledged.
        answer: Option<Answer>,
    },
}

/// The digest of the tree when `zxid` had been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestMark {
    /// The transaction last applied.
    pub zxid: Zxid,
    /// The digest then.
    pub digest: u64,
}

/// One decided change of replicated state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// A node comes to be. `parent_created` is how many children its parent has had after this.
    CreateNode {
        path: ZnodePath,
        data: Bytes,
        acl: Acl,
        lifetime: Lifetime,
        parent_created: u64,
    },
    /// A node's data is replaced; `version` is the new one.
    SetNode {
        path: ZnodePath,
        data: Bytes,
        version: u64,
    },
    /// A node goes.
    DeleteNode { path: ZnodePath },
    /// A session begins.
    OpenSession {
        session: SessionId,
        password: Password,
        timeout_ms: u32,
        server: ServerId,
    },
    /// A session is held by another server (or again by the same) from now on.
    AttachSession {
        session: SessionId,
        attachment: Attachment,
        server: ServerId,
    },
    /// A session ends. Its nodes and parked calls are ended by effects of their own before this.
    CloseSession { session: SessionId },
    /// A call is parked.
    ParkCall(ParkedCall),
    /// A parked call is answered; the answer is kept as its request's result.
    EndCall { call: CallId, answer: Answer },
    /// An alarm is set or moved.
    SetTimer(Timer),
    /// An alarm is taken back, or has rung.
    ClearTimer { mount: ZnodePath, tag: String },
    /// A piece of a component arrives.
    StoreChunk {
        sha256: Sha256,
        total: u64,
        offset: u64,
        data: Bytes,
    },
    /// A component becomes a revision of a plugin.
    RegisterRevision { name: String, revision: Revision },
    /// A revision becomes a plugin's active one.
    ActivateRevision {
        name: String,
        sha256: Sha256,
        /// The one before it.
        previous: Option<Sha256>,
    },
    /// A plugin is mounted, or a mount's record changes.
    PutMount(Mount),
    /// A plugin is taken off a path.
    RemoveMount { path: ZnodePath },
    /// The ensemble is this from now on.
    SetEnsemble(Ensemble),
    /// A token lets a server join, or has let it.
    PutToken(JoinToken),
    /// A token is of no more use.
    RemoveToken { hash: Sha256 },
    /// A node's access control list is replaced; `aversion` is its new version. At `/zareba`: that of
    /// the ensemble; at `/zareba/plugins/<name>`: that of a plugin.
    SetAcl {
        path: ZnodePath,
        acl: Acl,
        aversion: u64,
    },
    /// How much a node and everything below it may hold; nothing is limited any more if it says so.
    SetQuota { path: ZnodePath, quota: Quota },
    /// A revision is kept no more.
    RemoveRevision { name: String, sha256: Sha256 },
    /// A plugin is there no more.
    RemovePlugin { name: String },
    /// A component is kept no more.
    RemoveComponent { sha256: Sha256 },
    /// These are the publishers from now on.
    SetPublishers(Publishers),
}

impl Txn {
    /// The ensemble that holds from this transaction on, if it sets one.
    pub fn ensemble(&self) -> Option<&Ensemble> {
        self.effects.iter().rev().find_map(|effect| match effect {
            Effect::SetEnsemble(ensemble) => Some(ensemble),
            _ => None,
        })
    }
}
