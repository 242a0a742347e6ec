//! The other door between brain and shell: everything a server can do. Outputs are carried out
//! in order.

use bytes::Bytes;
use zareba_model::{Relay, ServerId, Sha256, ZnodePath, Zxid};
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
    /// Check and compile a component off the request path; answered by
    /// [`crate::Input::Compiled`]. The hash of the pieces together must be `sha256`.
    Compile { sha256: Sha256, pieces: Vec<Bytes> },
    /// The role changed.
    Role(Role),
    /// A plugin's log line.
    PluginLog {
        mount: ZnodePath,
        level: u8,
        message: String,
    },
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
