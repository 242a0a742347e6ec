//! One simulated server: its process, its clock, its storage. Knows nothing of the others.

use zareba_model::{Ensemble, Zxid};
use zareba_replica::{Input, Now, Replica};
use zareba_zab::Role;

use crate::disk::Storage;
use crate::implants::Planted;
use crate::invariants::expiry::Heard;
use crate::lock_plugin::Plugins;

/// A clock that runs fast or slow, may stand still with its server, and shows another time of day
/// than others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) rate_ppm: u64,
    pub(crate) wall_offset_ms: i64,
    /// Microseconds that it has missed.
    pub(crate) missed: u64,
    /// What it has shown last.
    pub(crate) shown: u64,
}

const WALL_MS: u64 = 1_700_000_000_000;

impl Clock {
    pub(crate) fn read(&mut self, now: u64) -> Now {
        let ticks = now.saturating_mul(self.rate_ppm) / 1_000_000;
        let ticks = ticks.saturating_sub(self.missed).max(self.shown);
        self.shown = ticks;
        Now {
            monotonic: zareba_zab::Now(ticks),
            wall_ms: WALL_MS.saturating_add_signed(self.wall_offset_ms) + ticks / 1_000,
        }
    }
}

/// One server.
pub(crate) struct Server {
    /// Counts its processes; what was meant for an earlier one is void.
    pub(crate) boot: u64,
    pub(crate) replica: Option<Replica<Plugins>>,
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    /// Arrived and not taken.
    pub(crate) inbox: Vec<Input>,
    pub(crate) waking: bool,
    pub(crate) paused_until: u64,
    /// When its process began.
    pub(crate) started_at: u64,
    pub(crate) slow_disk_until: u64,
    /// The next write takes so much longer.
    pub(crate) disk_spike_us: u64,
    /// Until when such a write takes.
    pub(crate) held_up_until: u64,
    pub(crate) full_disk_until: u64,
    /// The power goes after so many outputs of the next batch.
    pub(crate) dies_after: Option<u64>,
    /// The power goes behind the first word to a follower whose log it has to cut.
    pub(crate) dies_cutting: bool,
    /// Its log has lost what it had acked; a refill has to be noted.
    pub(crate) damaged: bool,
    /// A fault of its medium may have destroyed something, and nothing has proven yet that it did
    /// not, or made it good.
    pub(crate) impaired: bool,
    /// Such a fault has struck since its process read everything: a refill does not make it good.
    pub(crate) struck: bool,
    pub(crate) heard: Heard,
    /// What it was told of the ensemble before it began; none for a server that never was a member.
    pub(crate) bootstrap: Option<Ensemble>,
    /// It is of those that the ensemble begins with, and is started as one of them always.
    pub(crate) founds: bool,
    /// It has left the ensemble and stays away.
    pub(crate) retired: bool,
    /// What it has said last that it is.
    pub(crate) role: Role,
    /// All that happened behind this transaction it must remember for watches.
    pub(crate) remembers: Zxid,
    /// The ensemble it goes by: with whom it holds links.
    pub(crate) ensemble: Ensemble,
}

impl Server {
    pub(crate) fn new(segment_bytes: u64, clock: Clock, planted: Planted) -> Self {
        Self {
            boot: 0,
            replica: None,
            storage: Storage::new(segment_bytes, planted),
            clock,
            inbox: Vec::new(),
            waking: false,
            paused_until: 0,
            started_at: 0,
            slow_disk_until: 0,
            disk_spike_us: 0,
            held_up_until: 0,
            full_disk_until: 0,
            dies_after: None,
            dies_cutting: false,
            damaged: false,
            impaired: false,
            struck: false,
            heard: Heard::default(),
            bootstrap: None,
            founds: false,
            retired: false,
            role: Role::Looking,
            remembers: Zxid::ZERO,
            ensemble: Ensemble::default(),
        }
    }
}
