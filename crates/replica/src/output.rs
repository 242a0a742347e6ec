//! The other door between brain and shell: everything a server can do. Outputs are carried out
//! in order.

use bytes::Bytes;
use zareba_model::{
    Ensemble, ErrorCode, Principal, Quota, Relay, ServerId, SessionId, Sha256, Usage, ZnodePath,
    Zxid,
};
use zareba_wire::ServerMessage;
use zareba_zab::{Message, Persist, Role, Token};

use crate::input::ConnectionId;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Output {
    /// Tell a client.
    Send {
        connection: ConnectionId,
        message: ServerMessage,
    },
    /// End a client's connection once what was sent before has left.
    Close { connection: ConnectionId },
    /// Send a broadcast message to peers, encoded once for all of them.
    SendZab { to: Vec<ServerId>, message: Message },
    /// Send a peer a message about clients' requests, behind all broadcast messages before it.
    SendRelay { to: ServerId, relay: Relay },
    /// Write to the log or epochs page; answered by [`crate::Input::Persisted`].
    Persist { token: Token, write: Persist },
    /// Write to the image; answered by [`crate::Input::ImageWritten`], except
    /// [`ImageWrite::FinishInstall`], which is answered by [`crate::Input::SnapshotInstalled`].
    Image(ImageWrite),
    /// Read what the log holds durably behind the last id that is not above `after`: about
    /// `bytes_max` bytes of it, at least one entry, nothing beyond `upto`; answered by
    /// [`crate::Input::LogRead`]. If more than `worth_max` bytes stand there, say so instead.
    ReadLog {
        to: ServerId,
        after: Zxid,
        upto: Zxid,
        bytes_max: usize,
        worth_max: u64,
    },
    /// Check and compile a component off the request path; answered by
    /// [`crate::Input::Compiled`]. The hash of the pieces together must be `sha256`.
    Compile { sha256: Sha256, pieces: Vec<Bytes> },
    /// The role changed.
    Role(Role),
    /// These are the members from now on, as they are known here: hold links to them and to nobody
    /// else. Comes first of all outputs, and again with every change. Who is left out by a change that
    /// is in force and not applied yet stands among the outgoing members: it may still have to lead
    /// until the others know that too.
    Ensemble(Ensemble),
    /// This server is no member since that version of the ensemble: stop it.
    Removed { version: u64 },
    /// Write down who has asked for what, and what came of it; only if the configuration wants it.
    Audit(AuditRecord),
    /// A subtree holds more than the soft limit of its quota, and did not before. Said by the leader.
    QuotaPassed {
        path: ZnodePath,
        quota: Quota,
        usage: Usage,
    },
    /// A plugin's log line.
    PluginLog {
        mount: ZnodePath,
        level: u8,
        message: String,
    },
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Whose request.
    pub session: SessionId,
    /// Who that is.
    pub principals: Vec<Principal>,
    /// What was asked, in a word.
    pub op: &'static str,
    /// Of which node, mount or member; the first one's of several.
    pub path: String,
    /// Why it was refused, if it was.
    pub refused: Option<ErrorCode>,
    /// What this server had applied when it answered.
    pub zxid: Zxid,
}

/// A write to the image. Keys and values are opaque to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum ImageWrite {
    /// Part of a checkpoint, atomic: values to put, or keys to delete where there is none. The
    /// image holds nothing newer than `upto` behind it.
    Batch {
        records: Vec<(Bytes, Option<Bytes>)>,
        upto: Zxid,
    },
    /// The checkpoint is complete: with the log from `start` to `end` replayed over it, the image
    /// is the tree at `end`, whose digest is `digest`. The log up to `start` may be purged.
    Finish { start: Zxid, end: Zxid, digest: u64 },
    /// A snapshot from the leader begins; what it brings goes beside the present image.
    BeginInstall { base: Zxid },
    /// Part of that snapshot.
    InstallBatch { records: Vec<(Bytes, Bytes)> },
    /// The snapshot is complete, in the sense of `Finish` with `base` as start, but without a
    /// digest: flip to it, empty the log behind `base`. The marks in the log judge it later.
    FinishInstall { base: Zxid, end: Zxid },
    /// The snapshot will not be completed; drop what has come.
    AbandonInstall,
}
