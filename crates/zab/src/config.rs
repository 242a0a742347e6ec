//! The ensemble and the times and windows of broadcast. Defaults suit servers on one machine or
//! in one data centre.

use std::collections::BTreeSet;

use zareba_model::ServerId;

/// How one server takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This server.
    pub me: ServerId,
    /// All voters, this server included.
    pub voters: BTreeSet<ServerId>,
    /// A leader pings so often, milliseconds.
    pub heartbeat_ms: u64,
    /// A follower that hears nothing from its leader for so long looks for another; a leader that
    /// hears from no quorum for so long steps down. Milliseconds.
    pub silence_max_ms: u64,
    /// Discovery and synchronization must end within this, snapshot streams apart, milliseconds.
    pub join_max_ms: u64,
    /// A quorum agrees, yet better votes may be on their way: wait so long, milliseconds.
    pub settle_ms: u64,
    /// A looking server repeats its vote so often, milliseconds.
    pub vote_repeat_ms: u64,
    /// Committed entries kept in memory for followers that are a little behind: how many.
    pub window_entries: usize,
    /// The same in bytes.
    pub window_bytes: usize,
    /// Entries in one `Propose` message at most.
    pub batch_entries_max: usize,
    /// Bytes in one `Propose` message, beyond which it is closed.
    pub batch_bytes_max: usize,
}

impl Config {
    /// Defaults for an ensemble.
    pub fn new(me: ServerId, voters: impl IntoIterator<Item = ServerId>) -> Self {
        Self {
            me,
            voters: voters.into_iter().collect(),
            heartbeat_ms: 50,
            silence_max_ms: 400,
            join_max_ms: 5_000,
            settle_ms: 20,
            vote_repeat_ms: 100,
            window_entries: 20_000,
            window_bytes: 64 << 20,
            batch_entries_max: 1_000,
            batch_bytes_max: 4 << 20,
        }
    }
}
