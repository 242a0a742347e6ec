//! Everything that can happen in an ensemble, as one step each. Knows no effect.

use zareba_model::ServerId;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The next message of a link arrives.
    Deliver {
        /// Its sender.
        from: ServerId,
        /// Its receiver.
        to: ServerId,
    },
    /// An end of a link learns that the link broke, or that a new one stands.
    Hear {
        /// The end that learns it.
        at: ServerId,
        /// The other end.
        of: ServerId,
    },
    /// The oldest write that is under way becomes durable, and the server is told.
    Persist(ServerId),
    /// A snapshot stream is complete and takes the log's place.
    Install(ServerId),
    /// The oldest read of the log on disk, for a follower that is far behind, is answered.
    Read {
        /// The leader that reads.
        server: ServerId,
        /// The log does not go back so far, or a snapshot is cheaper.
        gone: bool,
    },
    /// An established leader proposes a transaction.
    Propose(ServerId),
    /// An established leader proposes the next half of the scope's change of the ensemble.
    Change(ServerId),
    /// A power cut, and the start behind it. Of the oldest write, if it is an append, the first
    /// `kept` entries have reached the disk.
    Crash {
        /// Who loses its power.
        server: ServerId,
        /// How many entries of the oldest append survive.
        kept: u8,
    },
    /// The link between two servers breaks.
    Break {
        /// One end, the smaller number.
        low: ServerId,
        /// The other end.
        high: ServerId,
    },
    /// All timers of a server fire: its patience with the others is over.
    Timeout(ServerId),
}
