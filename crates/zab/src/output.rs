//! Everything broadcast can ask of the world. Outputs are carried out in order.

use zareba_model::{Ensemble, Entry, Epoch, ServerId, Zxid};

use crate::message::Message;

/// Names a write; tokens rise in the order of the writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A write to the log or the epochs page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Persist {
    /// Append, in order, without a hole.
    Append {
        /// What to append.
        entries: Vec<Entry>,
        /// What was known to be committed; recorded beside, so that recovery can apply up to it.
        committed: Zxid,
    },
    /// Drop everything behind `after`.
    Truncate {
        /// The last entry to keep.
        after: Zxid,
    },
    /// Replace the epochs page.
    Epochs {
        /// The newest epoch promised.
        accepted: Epoch,
        /// The newest epoch whose history is held.
        current: Epoch,
    },
}

/// What this server is, as its users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// No established leader is known; nothing is served.
    Looking,
    /// Synchronized with an established leader.
    Following {
        /// That leader.
        leader: ServerId,
        /// Its reign.
        epoch: Epoch,
    },
    /// Established: a quorum has this server's history and epoch.
    Leading {
        /// This reign.
        epoch: Epoch,
    },
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send over the standing link, in order; dropped if there is none.
    Send {
        /// To whom; more than one only where all get the same words.
        to: Vec<ServerId>,
        /// What.
        message: Message,
    },
    /// Write, and report [`crate::Input::Persisted`] once it is durable. Writes are carried out
    /// in order.
    Persist {
        /// Its name.
        token: Token,
        /// What to write.
        write: Persist,
    },
    /// Committed, durable here, and next in order: apply it. What was committed before a server
    /// leads or follows is delivered before its `Role`.
    Deliver(Entry),
    /// The role changed.
    Role(Role),
    /// Another ensemble is in force: links are to stand to its members. It may be taken back by a
    /// later one, even by one of a lower version, until its entry is delivered.
    Ensemble(Ensemble),
    /// Read the log on disk, for a follower that is behind what is in memory; answered by
    /// [`crate::Input::LogRead`]. All that is asked for is durable, and nothing can change it. The
    /// answer may be left out once the follower's link is broken; if it comes, it is ignored.
    ReadLog {
        /// For whom.
        to: ServerId,
        /// From behind the largest id of the log that is not above this one.
        after: Zxid,
        /// No further than this.
        upto: Zxid,
        /// About so many bytes; at least one entry.
        bytes_max: usize,
    },
    /// Stream the tree to a follower. The tree may move on meanwhile; whatever is delivered
    /// behind `base` reaches the follower as proposals.
    SendSnapshot {
        /// To whom.
        to: ServerId,
        /// What is delivered here at this moment.
        base: Zxid,
    },
    /// Take a snapshot stream from the leader; answered by [`crate::Input::SnapshotInstalled`].
    ReceiveSnapshot {
        /// From whom.
        from: ServerId,
        /// Where it begins.
        base: Zxid,
    },
    /// Whatever of snapshot streams is under way, in or out, with this server is void.
    AbandonSnapshot {
        /// The other end.
        peer: ServerId,
    },
}
