//! A part of the log, for a peer that has fallen behind what is kept in memory.
//!
//! Must never know who asks, nor what an entry's payload means.

use zareba_model::{Entry, Zxid};

use crate::disk::Disk;
use crate::error::LogError;
use crate::log::Log;

/// What the log has behind some place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSlice {
    /// Entries without a hole; none if nothing durable is behind.
    Entries {
        /// The entry that they follow: the one asked for, or the last before it if the log has
        /// none of that zxid.
        after: Zxid,
        /// In order.
        entries: Vec<Entry>,
        /// Nothing durable is behind the last one.
        is_end: bool,
    },
    /// The log does not reach back so far: that part is only in the image.
    Gone {
        /// The log holds what is behind this.
        base: Zxid,
    },
}

impl<D: Disk> Log<D> {
    /// The durable entries that continue `after`: about `bytes_max` bytes of them, and at least
    /// one. Costs reading what it returns and at most a segment's quarter mebibyte more.
    pub fn read_after(&mut self, after: Zxid, bytes_max: usize) -> Result<LogSlice, LogError> {
        let Some(floor) = self.floor(after) else {
            return Ok(LogSlice::Gone { base: self.base() });
        };
        let mut replay = self.replay_after(floor)?;
        let entries = self.read(&mut replay, bytes_max)?;
        let last = entries.last().map_or(floor, |entry| entry.zxid);
        Ok(LogSlice::Entries {
            after: floor,
            entries,
            is_end: last >= self.durable(),
        })
    }

    /// The last entry at or below `zxid`, or the log's base; none if it does not reach back so far.
    pub fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        self.history.floor(zxid)
    }

    /// About how many bytes of the log are behind `zxid`, too many rather than too few by up to a
    /// quarter of a mebibyte: what [`Log::read_after`] has to read and a peer to receive.
    pub fn bytes_behind(&self, zxid: Zxid) -> u64 {
        let (number, offset) = self.index.before(zxid).unwrap_or_default();
        let behind = self
            .segments
            .iter()
            .skip_while(|segment| segment.number < number);
        behind
            .map(|segment| match segment.number == number {
                true => segment.end.saturating_sub(offset),
                false => segment.end,
            })
            .sum()
    }
}
