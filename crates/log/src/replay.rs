//! Reads the log's entries back in order, leaving out what was cut.
//!
//! Must never know what an entry's payload means.

use bytes::Bytes;
use zareba_model::{Entry, Zxid};

use crate::disk::Disk;
use crate::error::LogError;
use crate::log::Log;
use crate::record::{Record, SEGMENT_HEADER_BYTES};
use crate::window::{Window, segment_name};

/// A place in the log, for reading on from.
#[derive(Clone, Debug)]
pub struct Replay {
    after: Zxid,
    segment: u64,
    offset: u64,
    window: Option<Window>,
}

impl<D: Disk> Log<D> {
    /// Begins reading behind `after`.
    pub fn replay_after(&self, after: Zxid) -> Result<Replay, LogError> {
        let below = LogError::BelowBase {
            base: self.base(),
            wanted: after,
        };
        if after < self.base() {
            return Err(below);
        }
        // What is in the log of the segments before one is not behind that one's base.
        let first = self
            .segments
            .iter()
            .rev()
            .find(|segment| segment.base <= after);
        // A cut may have taken the log to before its first segment.
        let first = first.or(self.segments.first()).ok_or(below)?;
        let start = (first.number, SEGMENT_HEADER_BYTES);
        // Entries that were not cut stand in the files in the order of their zxids.
        let (segment, offset) = self.index.before(after).unwrap_or(start).max(start);
        Ok(Replay {
            after,
            segment,
            offset,
            window: None,
        })
    }

    /// The next entries, about `bytes_max` of them and at least one; none at the durable end.
    pub fn read(&mut self, replay: &mut Replay, bytes_max: usize) -> Result<Vec<Entry>, LogError> {
        self.alive()?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        while bytes < bytes_max.max(1) {
            let index = self
                .segments
                .partition_point(|segment| segment.number < replay.segment);
            let segment = self
                .segments
                .get(index)
                .filter(|found| found.number == replay.segment);
            let Some(segment) = segment.copied() else {
                return Err(LogError::BelowBase {
                    base: self.base(),
                    wanted: replay.after,
                });
            };
            if replay.offset >= segment.end {
                let Some(next) = self.segments.get(index + 1) else {
                    break;
                };
                (replay.segment, replay.offset) = (next.number, SEGMENT_HEADER_BYTES);
                replay.window = None;
                continue;
            }
            let place = (replay.segment, replay.offset);
            let Some((record, payload, end)) = self.read_record(replay)? else {
                break;
            };
            if let Record::Entry { zxid, .. } = record
                && zxid > replay.after
                && self.cuts.spares(place, zxid)
            {
                if zxid > self.durable {
                    break;
                }
                bytes += payload.len().max(1);
                // A copy, for a slice would keep the whole window in memory.
                let payload = Bytes::copy_from_slice(&payload);
                entries.push(Entry { zxid, payload });
                replay.after = zxid;
            }
            replay.offset = end;
        }
        // The window may hold bytes that are written over before the next call.
        replay.window = None;
        Ok(entries)
    }

    /// The record at the replay's place; none if it is not written yet.
    fn read_record(
        &mut self,
        replay: &mut Replay,
    ) -> Result<Option<(Record, Bytes, u64)>, LogError> {
        if !self.buffer.is_empty() && self.is_buffered(replay) {
            return Ok(None);
        }
        let window = match replay.window.take() {
            Some(window) => Ok(window),
            None => Window::open(&mut self.disk, replay.segment),
        };
        let mut window = self.check("open a segment", window)?;
        let read = window.record(&mut self.disk, replay.offset);
        let read = self.check("read a segment", read)?;
        replay.window = Some(window);
        match read {
            Ok(read) => Ok(Some(read)),
            Err(_) => Err(LogError::Unreadable {
                segment: segment_name(replay.segment),
                offset: replay.offset,
            }),
        }
    }

    fn is_buffered(&self, replay: &Replay) -> bool {
        self.segments.last().is_some_and(|last| {
            last.number == replay.segment && replay.offset + self.buffer.len() as u64 >= last.end
        })
    }
}
