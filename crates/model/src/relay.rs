//! What servers tell each other about clients' requests, beside the broadcast itself.

#![allow(missing_docs, reason = "the variants say what their fields are")]

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Acked, Attachment, Fault, JoinRequest, Op, Password, Principal, ServerId, SessionId, Sha256,
    Xid, Zxid,
};

/// A message between a follower and its leader. It is valid only on the link, and in the
/// established epoch, in which it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relay {
    /// A client's write, on its way to the leader, in the session's order.
    Forward(Forward),
    /// The leader's answer to a forward that becomes no transaction.
    Refused(Refused),
    /// Asks for a new session. `nonce` is the asking server's own number for it.
    Open {
        nonce: u64,
        password: Password,
        timeout_ms: u32,
    },
    /// The session that an [`Relay::Open`] will have once its transaction is applied.
    Opening { nonce: u64, session: SessionId },
    /// Asks to hold a session that the client showed the password of.
    Attach {
        nonce: u64,
        session: SessionId,
        password: Password,
    },
    /// The attachment that an [`Relay::Attach`] will have once its transaction is applied, or why
    /// not, valid once `after` is applied.
    Attaching {
        nonce: u64,
        result: Result<Attachment, Fault>,
        after: Zxid,
    },
    /// These sessions were heard of since the last such message. With a `question`, a number that rises,
    /// some of their clients are to know that the leader has heard it.
    Touch {
        sessions: Vec<SessionId>,
        question: Option<u64>,
    },
    /// These compiled components can be run by the sender.
    Ready {
        server: ServerId,
        revisions: Vec<Sha256>,
    },
    /// A piece of the leader's tree for a follower that is too far behind for its log.
    SnapshotChunk {
        /// Which transfer: the zxid it began at.
        base: Zxid,
        /// The place of this piece in the stream, counted from 0.
        sequence: u64,
        /// Encoded records.
        records: Bytes,
        /// With the last piece: the newest transaction of which there is any effect.
        end: Option<Zxid>,
    },
    /// The follower has taken the pieces up to this one; more may be sent.
    SnapshotTaken { base: Zxid, sequence: u64 },
    /// Asks for proof that the leader leads, for reads that must not be stale. `nonce` is the
    /// asking server's own number for it, rising.
    Confirm { nonce: u64 },
    /// When [`Relay::Confirm`] came, this was committed and nothing behind it, and a quorum has
    /// confirmed since that no other leader had been established.
    Confirmed { nonce: u64, zxid: Zxid },
    /// A new server shows a token. `nonce` is the asking server's own number for it.
    Join { nonce: u64, request: JoinRequest },
    /// The number of the new server, or why not, valid once `after` is applied.
    Joining {
        nonce: u64,
        result: Result<ServerId, Fault>,
        after: Zxid,
    },
    /// The receiver is no member of the ensemble since this version of it.
    Removed { version: u64 },
    /// When [`Relay::Touch`] came, no end of a session had been proposed behind `after`, and a quorum has
    /// confirmed since that no other leader had been established.
    Touched { question: u64, after: Zxid },
}

/// One write of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Whose.
    pub session: SessionId,
    /// Under which attachment.
    pub attachment: Attachment,
    /// Which request.
    pub xid: Xid,
    /// The answers that the client has seen.
    pub acked: Acked,
    /// Who the client is.
    pub principals: Vec<Principal>,
    /// What it wants: a write, a sync or a plugin's command.
    pub op: Op,
}

/// A write that becomes no transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Whose.
    pub session: SessionId,
    /// Which request.
    pub xid: Xid,
    /// The fault; `None` if the request was executed before and its result is (or, once `after`
    /// is applied, will be) in the replicated results or among the parked calls.
    pub fault: Option<Fault>,
    /// The client is told once this transaction is applied: the refusal may rest on it.
    pub after: Zxid,
}
