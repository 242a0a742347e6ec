//! What one server is told about itself. Defaults suit servers in one data centre.

use crate::bug::Bug;
use crate::input::Now;

/// Times and windows of the request path.
#[derive(Clone, Debug)]
pub struct Config {
    /// How broadcast takes part.
    pub zab: zareba_zab::Config,
    /// Touches of sessions are sent to the leader so often, milliseconds: a fifth of the shortest
    /// session timeout, so that a touch cannot come too late.
    pub touch_ms: u64,
    /// A server without a leader keeps its clients this long before it sends them away,
    /// milliseconds: an election usually ends sooner, and their requests are then answered.
    pub leaderless_grace_ms: u64,
    /// A checkpoint begins after so many transactions …
    pub checkpoint_txns: u64,
    /// … or after so many bytes of them.
    pub checkpoint_bytes: u64,
    /// Records in one image write.
    pub checkpoint_batch: usize,
    /// Bytes in one piece of a snapshot stream.
    pub snapshot_chunk_bytes: usize,
    /// Pieces of a snapshot stream under way to one follower.
    pub snapshot_window: u64,
    /// A server that is no member any more goes on for so long, so that its peers hear what it
    /// knows, milliseconds.
    pub removed_grace_ms: u64,
    /// Seed of the guests' random numbers.
    pub seed: u64,
    /// Writes, calls and identities are told to the shell, to be written down ([`crate::Output::Audit`]).
    pub audits: bool,
    /// The most of a leader's time that the plugin at one mount may take, percent.
    pub plugin_share_percent: u8,
    /// A container is removed once it has been empty at two looks so far apart, milliseconds.
    pub container_check_ms: u64,
    /// A bug planted on purpose, to prove that tests would find it.
    #[cfg(feature = "bugs")]
    pub bug: Option<Bug>,
}

impl Config {
    /// Defaults around a broadcast configuration.
    pub fn new(zab: zareba_zab::Config) -> Self {
        Self {
            zab,
            touch_ms: 200,
            leaderless_grace_ms: 2_000,
            checkpoint_txns: 200_000,
            checkpoint_bytes: 128 << 20,
            checkpoint_batch: 1_000,
            snapshot_chunk_bytes: 256 << 10,
            snapshot_window: 8,
            removed_grace_ms: 500,
            seed: 0,
            audits: false,
            plugin_share_percent: 50,
            container_check_ms: 10_000,
            #[cfg(feature = "bugs")]
            bug: None,
        }
    }

    /// The time to go by.
    pub(crate) fn clock(&self, now: Now) -> Now {
        if !self.has_bug(Bug::ExpiryByWallClock) {
            return now;
        }
        Now {
            monotonic: zareba_zab::Now(now.wall_ms.saturating_mul(1_000)),
            ..now
        }
    }

    /// What was planted.
    #[cfg(feature = "bugs")]
    pub(crate) fn planted(&self) -> Option<Bug> {
        self.bug
    }

    /// What was planted: nothing in a build without the feature.
    #[cfg(not(feature = "bugs"))]
    pub(crate) const fn planted(&self) -> Option<Bug> {
        None
    }

    /// True if that bug was planted; never in a build without the feature.
    #[cfg(feature = "bugs")]
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// True if that bug was planted; never in a build without the feature.
    #[cfg(not(feature = "bugs"))]
    pub(crate) const fn has_bug(&self, _: Bug) -> bool {
        false
    }
}
