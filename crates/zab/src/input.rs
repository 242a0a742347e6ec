//! Everything that can happen to a server, as far as broadcast is concerned.

use zareba_model::{Ensemble, Entry, ServerId, Zxid};

use crate::message::Message;
use crate::output::Token;

/// Time since some fixed moment of this process, in microseconds; never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(pub u64);

impl Now {
    /// This moment and `ms` milliseconds.
    pub const fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1000)))
    }
}

/// What the log on disk holds behind some id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogRead {
    /// The next entries.
    Entries {
        /// The largest id of the log that is not above the one asked for.
        floor: Zxid,
        /// What stands behind it, in order, without a hole: at least one entry, and none beyond
        /// the id up to which was asked.
        entries: Vec<Entry>,
    },
    /// The log does not go back so far any more, or so much stands behind that id that a snapshot
    /// is cheaper. What stands behind the base of a snapshot that is still on its way should be
    /// kept and read at any cost: another snapshot would only begin the same again.
    Gone,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// An ordered link to that server stands; nothing of an older link will arrive.
    PeerUp(ServerId),
    /// That link broke; what was sent and not received is lost.
    PeerDown(ServerId),
    /// A message arrived over the standing link.
    Received {
        /// Who sent it.
        from: ServerId,
        /// What it says.
        message: Message,
    },
    /// Every write up to and including this token's is durable.
    Persisted(Token),
    /// The snapshot stream that began at `base` is complete and durable: the disk now holds an
    /// image of that state and an empty log behind `base`. The swap and this input are one step:
    /// no other input may come between, and a stream that was abandoned is never swapped in.
    SnapshotInstalled {
        /// Where the stream began.
        base: Zxid,
        /// The ensemble that the state names, if it names one. The state may be newer than its
        /// base, and so may this.
        ensemble: Option<Ensemble>,
    },
    /// The answer to an [`crate::Output::ReadLog`].
    LogRead {
        /// For whom.
        to: ServerId,
        /// Behind which id.
        after: Zxid,
        /// What there is.
        result: LogRead,
    },
}
