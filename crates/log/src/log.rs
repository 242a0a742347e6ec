//! The log itself: append, sync, truncate, purge, reset, replay.
//!
//! Must never know what an entry's payload means, nor decide what may be cut.

use zareba_model::{Entry, Epoch, Zxid};

use crate::disk::Disk;
use crate::error::{Damage, LogError};

/// How the log is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Size of a segment file; a larger entry gets a larger one.
    pub segment_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
        }
    }
}

/// What the image says about the log; all zero when there is no image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Segments up to this number belong to a past that a snapshot has replaced.
    pub discard_up_to: u64,
    /// The log must hold everything behind this: the image's start.
    pub base: Zxid,
    /// The log must reach at least up to this: the image's end.
    pub durable: Zxid,
}

/// The two promises of a server, written before they are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// The newest epoch promised.
    pub accepted: Epoch,
    /// The newest epoch whose history is held.
    pub current: Epoch,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The epochs page; zero on a fresh disk.
    pub epochs: Epochs,
    /// The log holds every entry behind this.
    pub base: Zxid,
    /// Its last entry, or `base`.
    pub last: Zxid,
    /// Known to be committed; at most `last`.
    pub committed: Zxid,
    /// Bytes of a write that never was synced, cut off.
    pub torn_bytes: u64,
    /// What is missing that once was durable.
    pub damage: Option<Damage>,
}

/// A place in the log, for reading on from.
#[derive(Clone, Debug)]
pub struct Replay {
    #[expect(dead_code, reason = "the reader is being written")]
    after: Zxid,
}

/// The log of one server.
#[derive(Debug)]
pub struct Log<D> {
    disk: D,
}

#[expect(
    clippy::unimplemented,
    reason = "interface first; the bodies follow in the next commit"
)]
impl<D: Disk> Log<D> {
    /// Recovers what the disk holds. Cuts a torn tail; removes what is discarded.
    pub fn open(disk: D, config: Config, origin: Origin) -> Result<(Self, Recovered), LogError> {
        let _ = (disk, config, origin);
        unimplemented!()
    }

    /// Takes entries that continue the log, and what is known to be committed. Durable after the
    /// next [`Log::sync`]. A group commit is many appends and one sync.
    pub fn append(&mut self, entries: &[Entry], committed: Zxid) -> Result<(), LogError> {
        let _ = (entries, committed);
        unimplemented!()
    }

    /// Makes everything appended durable.
    pub fn sync(&mut self) -> Result<(), LogError> {
        unimplemented!()
    }

    /// Durably drops everything behind `after`; returns the last entry left.
    pub fn truncate_after(&mut self, after: Zxid) -> Result<Zxid, LogError> {
        let _ = after;
        unimplemented!()
    }

    /// Durably replaces the epochs page.
    pub fn write_epochs(&mut self, epochs: Epochs) -> Result<(), LogError> {
        let _ = epochs;
        unimplemented!()
    }

    /// Removes segments that hold nothing behind `zxid`.
    pub fn purge_below(&mut self, zxid: Zxid) -> Result<(), LogError> {
        let _ = zxid;
        unimplemented!()
    }

    /// Durably empties the log, to begin behind `base`. Call it after the image that replaces it
    /// is durable with `discard_up_to` = [`Log::last_segment_number`].
    pub fn reset(&mut self, base: Zxid) -> Result<(), LogError> {
        let _ = base;
        unimplemented!()
    }

    /// A quorum has refilled this server: forgets the damage, durably.
    pub fn clear_damage(&mut self) -> Result<(), LogError> {
        unimplemented!()
    }

    /// Begins reading behind `after`.
    pub fn replay_after(&self, after: Zxid) -> Result<Replay, LogError> {
        let _ = after;
        unimplemented!()
    }

    /// The next entries, about `bytes_max` of them and at least one; none at the durable end.
    pub fn read(&mut self, replay: &mut Replay, bytes_max: usize) -> Result<Vec<Entry>, LogError> {
        let _ = (replay, bytes_max);
        unimplemented!()
    }

    /// The number of the segment written to; see [`Origin::discard_up_to`].
    pub fn last_segment_number(&self) -> u64 {
        unimplemented!()
    }

    /// The log holds every entry behind this.
    pub fn base(&self) -> Zxid {
        unimplemented!()
    }

    /// The last entry taken, durable or not.
    pub fn last(&self) -> Zxid {
        unimplemented!()
    }

    /// The last durable entry.
    pub fn durable(&self) -> Zxid {
        unimplemented!()
    }

    /// The epochs page.
    pub fn epochs(&self) -> Epochs {
        unimplemented!()
    }

    /// The disk.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Ends the log's use of the disk.
    pub fn into_disk(self) -> D {
        self.disk
    }
}
