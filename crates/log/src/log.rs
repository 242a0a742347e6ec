//! The log itself: append, sync, truncate, purge, reset.
//!
//! Bytes are only ever added: a truncation is a record like any other, so that it happens wholly or
//! not at all, over as many segments as it likes, and what it voids can never come back.
//! Must never know what an entry's payload means, nor decide what may be cut.

use zareba_model::{Entry, Zxid, limits};

use crate::bug::Bug;
use crate::damage_note;
use crate::disk::{Disk, DiskError};
use crate::epochs::{Epochs, EpochsPage};
use crate::error::{Damage, LogError};
use crate::history::{Cuts, History};
use crate::index::Index;
use crate::record::{ALIGNMENT, RECORD_HEADER_BYTES, Record, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::recovery::Segment;
use crate::window::segment_name;

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
    /// The log must reach at least up to this: the end of an image made from it, or `base` behind a
    /// snapshot, which has effects of transactions that the log is still to get.
    pub durable: Zxid,
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

/// The log of one server.
///
/// Invariant: the last segment has room for one more mark behind its last record.
#[derive(Debug)]
pub struct Log<D> {
    pub(crate) disk: D,
    pub(crate) config: Config,
    /// Oldest first; the last one is written to.
    pub(crate) segments: Vec<Segment>,
    /// Files that are no part of the log: what is kept of damage.
    pub(crate) strays: Vec<u64>,
    pub(crate) history: History,
    pub(crate) cuts: Cuts,
    pub(crate) index: Index,
    pub(crate) committed: Zxid,
    pub(crate) durable: Zxid,
    /// The end of the last segment that is not written yet.
    pub(crate) buffer: Vec<u8>,
    /// Something was appended since the last sync.
    pub(crate) unsynced: bool,
    /// Something is durable that no mark covers yet.
    pub(crate) unmarked: bool,
    /// A mark was written since the last sync.
    pub(crate) unsealed: bool,
    /// The last segment was created since the last sync.
    pub(crate) unlisted: bool,
    pub(crate) page: EpochsPage,
    pub(crate) poisoned: bool,
    /// Planted on purpose; none in a build without the feature.
    pub(crate) bug: Option<Bug>,
}

impl<D: Disk> Log<D> {
    /// Takes entries that continue the log, and what is known to be committed. Durable after the
    /// next [`Log::sync`]. A group commit is many appends and one sync.
    pub fn append(&mut self, entries: &[Entry], committed: Zxid) -> Result<(), LogError> {
        self.leave_mark()?;
        let mut last = self.history.last();
        for Entry { zxid, payload } in entries {
            let (zxid, bytes) = (*zxid, payload.len());
            if !zxid.follows(last) {
                return Err(LogError::Hole { last, next: zxid });
            }
            if bytes > limits::TXN_BYTES_MAX {
                return Err(LogError::TooLarge { zxid, bytes });
            }
            last = zxid;
        }
        for Entry { zxid, payload } in entries {
            let record = Record::Entry {
                zxid: *zxid,
                previous: self.history.last(),
            };
            let at = self.place(record, payload)?;
            self.history.push(*zxid);
            self.index.push(*zxid, at);
        }
        self.committed = self.committed.max(committed);
        Ok(())
    }

    /// Makes everything appended durable, and leaves a mark that says so.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.sync_unmarked()?;
        self.leave_mark()
    }

    /// The first half of [`Log::sync`]: what was appended is durable now. The second half should
    /// follow soon, because recovery can tell damage from a torn tail only below a mark.
    pub fn sync_unmarked(&mut self) -> Result<(), LogError> {
        self.alive()?;
        if !self.unsynced {
            return Ok(());
        }
        self.make_durable()?;
        self.unmarked = true;
        Ok(())
    }

    /// The second half of [`Log::sync`]; whatever is added to the log next would make up for it.
    pub fn leave_mark(&mut self) -> Result<(), LogError> {
        self.alive()?;
        if !std::mem::take(&mut self.unmarked) {
            return Ok(());
        }
        self.mark()
    }

    /// Makes the last mark itself durable: from then on recovery can tell a rotten last batch from a
    /// torn one. Worth a sync of its own when nothing else is to be done.
    pub fn seal(&mut self) -> Result<(), LogError> {
        self.sync()?;
        if self.unsealed {
            self.make_durable()?;
        }
        Ok(())
    }

    /// Durably drops everything behind `after`; returns the last entry left.
    pub fn truncate_after(&mut self, after: Zxid) -> Result<Zxid, LogError> {
        let truncated = self.truncate(after);
        if truncated.is_err() && self.has_bug(Bug::TruncationErrorIgnored) {
            self.poisoned = false;
            self.forget_unwritten_cut();
            return Ok(self.history.cut(after));
        }
        truncated
    }

    fn truncate(&mut self, after: Zxid) -> Result<Zxid, LogError> {
        self.leave_mark()?;
        let last = self.history.last();
        if after < self.history.base() {
            return Err(LogError::BelowBase {
                base: self.history.base(),
                wanted: after,
            });
        }
        if after < last {
            let after = self.before_if_planted(after);
            let keep = self.history.clone().cut(after);
            // The cut may land in a new segment, whose header tells the end before the cut.
            let at = if self.has_bug(Bug::TruncatesInMemoryOnly) {
                (self.current().number, self.current().end)
            } else {
                self.place(Record::Cut { keep, last }, &[])?
            };
            self.history.cut(keep);
            self.cuts.push(at, keep);
            self.index.cut(keep);
            self.committed = self.committed.min(keep);
            // Until the sync below has returned, neither the old nor the new tail may count.
            self.durable = self.durable.min(keep);
        }
        self.sync()?;
        if self.has_bug(Bug::AppendsBehindGap) && after < last {
            self.current_mut().end += ALIGNMENT;
        }
        Ok(self.history.last())
    }

    /// Durably replaces the epochs page.
    pub fn write_epochs(&mut self, epochs: Epochs) -> Result<(), LogError> {
        self.alive()?;
        if self.has_bug(Bug::EpochsNeverSynced) {
            let written = self.page.write_unsynced(&mut self.disk, epochs);
            return self.check("write the epochs page", written);
        }
        let written = self.page.write(&mut self.disk, epochs);
        self.check("write the epochs page", written)
    }

    /// Removes segments that hold nothing behind `zxid`. The last one always stays.
    pub fn purge_below(&mut self, zxid: Zxid) -> Result<(), LogError> {
        // The header of the segment that becomes the first must be durable before the link it
        // replaces goes.
        self.sync()?;
        let useless = self
            .segments
            .iter()
            .skip(1)
            .take_while(|next| next.base <= zxid);
        let count = useless.count();
        let gone: Vec<u64> = self.segments.drain(..count).map(|old| old.number).collect();
        if let Some(first) = self.segments.first().filter(|_| count > 0) {
            self.history.purge(first.base);
            self.cuts.purge(first.number);
            self.index.purge(first.number);
        }
        self.remove(gone)
    }

    /// Durably empties the log, to begin behind `base`. Call it after the image that replaces it
    /// is durable with `discard_up_to` = [`Log::last_segment_number`].
    pub fn reset(&mut self, base: Zxid) -> Result<(), LogError> {
        self.alive()?;
        self.buffer.clear();
        let number = self.last_segment_number() + 1;
        let mut gone: Vec<u64> = self.segments.drain(..).map(|old| old.number).collect();
        self.history = History::new(base);
        self.cuts = Cuts::default();
        self.index = Index::default();
        self.committed = base;
        self.begin_segment(number, 0, 0, 0)?;
        self.make_durable()?;
        gone.append(&mut self.strays);
        self.remove(gone)?;
        self.mark()
    }

    /// A quorum has refilled this server: forgets the damage, durably.
    pub fn clear_damage(&mut self) -> Result<(), LogError> {
        self.sync()?;
        let cleared = damage_note::clear(&mut self.disk);
        self.check("forget its damage", cleared)?;
        let strays = std::mem::take(&mut self.strays);
        self.remove(strays)
    }

    /// The disk.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The number of the segment written to; see [`Origin::discard_up_to`].
    pub fn last_segment_number(&self) -> u64 {
        let last = self.segments.last().map_or(0, |segment| segment.number);
        self.strays.iter().copied().fold(last, u64::max)
    }

    /// The log holds every entry behind this.
    pub fn base(&self) -> Zxid {
        self.history.base()
    }

    /// The last entry taken, durable or not.
    pub fn last(&self) -> Zxid {
        self.history.last()
    }

    /// The last durable entry.
    pub fn durable(&self) -> Zxid {
        self.durable
    }

    /// What was last known to be committed; at most [`Log::last`].
    pub fn committed(&self) -> Zxid {
        self.committed.min(self.history.last())
    }

    /// The epochs page.
    pub fn epochs(&self) -> Epochs {
        self.page.epochs
    }

    /// Ends the log's use of the disk.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// Adds a record behind the last one, in a new segment if this one is full; returns its place.
    fn place(&mut self, record: Record, payload: &[u8]) -> Result<(u64, u64), LogError> {
        let bytes = Record::bytes(payload.len() as u64);
        let current = self.current();
        if current.end + bytes + RECORD_HEADER_BYTES > current.length {
            // The next header proves that this segment is durable up to its end.
            self.make_durable()?;
            self.begin_segment(current.number + 1, current.number, current.end, bytes)?;
        } else if self.buffer.len() >= BUFFER_BYTES_MAX {
            self.write_buffer()?;
        }
        let Segment { number, end, .. } = self.current();
        record.encode(payload, number, end, &mut self.buffer);
        self.current_mut().end = end + bytes;
        self.unsynced = true;
        Ok((number, end))
    }

    /// Creates a segment behind the last one with room for `bytes` and a mark.
    pub(crate) fn begin_segment(
        &mut self,
        number: u64,
        previous: u64,
        previous_end: u64,
        bytes: u64,
    ) -> Result<(), LogError> {
        let base = self.history.last();
        let needed = SEGMENT_HEADER_BYTES + bytes + RECORD_HEADER_BYTES;
        let length = self.config.segment_bytes.max(needed);
        let created = self.disk.create(&segment_name(number), length);
        self.check("create a segment", created)?;
        let header = SegmentHeader {
            number,
            previous,
            previous_end,
            base,
            committed: self.committed.min(base),
            length,
        };
        assert!(self.buffer.is_empty(), "the last segment is written out");
        header.encode(&mut self.buffer);
        self.segments.push(Segment {
            number,
            base,
            end: SEGMENT_HEADER_BYTES,
            length,
        });
        self.unsynced = true;
        self.unlisted = true;
        Ok(())
    }

    /// Makes everything before this place durable.
    pub(crate) fn make_durable(&mut self) -> Result<(), LogError> {
        self.write_buffer()?;
        let mut synced = self.disk.sync(&segment_name(self.current().number));
        if synced.is_err() && self.has_bug(Bug::SyncTriedAgain) {
            synced = self.disk.sync(&segment_name(self.current().number));
        }
        self.check("sync a segment", synced)?;
        if self.unlisted && !self.has_bug(Bug::DirectoryNeverSynced) {
            let listed = self.disk.sync_directory();
            self.check("sync its directory", listed)?;
            self.unlisted = false;
        }
        self.unsynced = false;
        self.unsealed = false;
        self.durable = self.history.last();
        Ok(())
    }

    /// Leaves the mark for a sync. It is not synced itself: the next batch takes it along, or the
    /// kernel's write-back does.
    pub(crate) fn mark(&mut self) -> Result<(), LogError> {
        assert!(!self.unsynced, "a mark must not claim what is not durable");
        let Segment {
            number,
            end,
            length,
            ..
        } = self.current();
        assert!(
            end + RECORD_HEADER_BYTES <= length,
            "there is always room for a mark"
        );
        let mark = Record::Mark {
            last: self.history.last(),
            committed: self.committed(),
        };
        self.unmarked = false;
        self.unsealed = true;
        mark.encode(&[], number, end, &mut self.buffer);
        self.current_mut().end += RECORD_HEADER_BYTES;
        self.write_buffer()
    }

    fn write_buffer(&mut self) -> Result<(), LogError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let Segment { number, end, .. } = self.current();
        let offset = end - self.buffer.len() as u64;
        let written = self
            .disk
            .write_at(&segment_name(number), offset, &self.buffer);
        if written.is_err() && self.has_bug(Bug::WriteErrorIgnored) {
            self.buffer.clear();
            return Ok(());
        }
        self.check("write to a segment", written)?;
        self.buffer.clear();
        Ok(())
    }

    /// Removes files of segments, oldest first, durably.
    pub(crate) fn remove(&mut self, numbers: Vec<u64>) -> Result<(), LogError> {
        if numbers.is_empty() {
            return Ok(());
        }
        for number in numbers {
            let removed = self.disk.remove(&segment_name(number));
            self.check("remove a segment", removed)?;
        }
        let listed = self.disk.sync_directory();
        self.check("sync its directory", listed)
    }

    /// Stops the log for good at the first error of the disk.
    pub(crate) fn check<T>(
        &mut self,
        doing: &'static str,
        result: Result<T, DiskError>,
    ) -> Result<T, LogError> {
        result.map_err(|error| {
            self.poisoned = true;
            LogError::Disk { doing, error }
        })
    }

    /// True if that bug was planted; never in a build without the feature.
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        cfg!(feature = "bugs") && self.bug == Some(bug)
    }

    /// Where to cut: one entry earlier, if that bug was planted.
    fn before_if_planted(&self, after: Zxid) -> Zxid {
        if !self.has_bug(Bug::TruncatesTooMuch) || after.counter == 0 {
            return after;
        }
        Zxid::new(after.epoch.0, after.counter - 1).max(self.history.base())
    }

    /// What a planted bug does to the record of a cut that could not be written.
    fn forget_unwritten_cut(&mut self) {
        let bytes = Record::bytes(0);
        if let Some(before) = self.buffer.len().checked_sub(bytes as usize) {
            self.buffer.truncate(before);
            self.current_mut().end -= bytes;
        }
    }

    pub(crate) fn alive(&self) -> Result<(), LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        Ok(())
    }

    fn current(&self) -> Segment {
        *self
            .segments
            .last()
            .unwrap_or_else(|| unreachable!("a log has a segment from its opening on"))
    }

    fn current_mut(&mut self) -> &mut Segment {
        self.segments
            .last_mut()
            .unwrap_or_else(|| unreachable!("a log has a segment from its opening on"))
    }
}

/// Appended bytes are written, though not synced, when there are so many, to bound memory.
const BUFFER_BYTES_MAX: usize = 4 << 20;
