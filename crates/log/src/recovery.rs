//! Finds out what the segments hold. Reads only: what is to be done about it is the log's part.
//!
//! Must never know what an entry's payload means.
//!
//! ```text
//! 1. headers   newest good one first; a bad one with a mark in its file is damage, one without is
//!              a creation that a crash cut short
//! 2. chain     from the newest back along the links, to the image's start; a broken link is damage
//! 3. records   forward through the chain; a bad record is damage if a later mark, or the next
//!              segment's header, proves that it was durable; else it is the torn tail
//! ```

use std::collections::BTreeMap;

use zareba_model::Zxid;

use crate::disk::{Disk, DiskError};
use crate::epochs::Epochs;
use crate::error::{Damage, LogError};
use crate::history::{Cuts, History};
use crate::index::Index;
use crate::log::Origin;
use crate::record::{HeaderRead, Record, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::window::{Tail, Window, segment_name, segment_number};

/// One segment of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// The last entry before it.
    pub(crate) base: Zxid,
    /// Behind its last record.
    pub(crate) end: u64,
    /// The length of its file.
    pub(crate) length: u64,
}

/// What the segments hold.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The log's segments, oldest first; empty if there is none to go on with.
    pub(crate) segments: Vec<Segment>,
    pub(crate) history: History,
    pub(crate) cuts: Cuts,
    pub(crate) index: Index,
    pub(crate) committed: Zxid,
    /// Behind the last byte of a write that was never synced, in the last segment.
    pub(crate) torn_end: Option<u64>,
    pub(crate) damage: Option<Damage>,
    /// Where the last mark of the last segment begins: what is before it is on the disk.
    pub(crate) proven: u64,
    /// All segment files, whether part of the log or not.
    pub(crate) numbers: Vec<u64>,
    /// Files of segments whose creation was cut short.
    pub(crate) unborn: Vec<u64>,
}

impl Found {
    /// A log has a segment before any epoch is promised. A promise without one is what is left when
    /// the image that had voided the log cannot be read any more: it must not pass for a fresh server.
    pub(crate) fn miss_what_vanished(&mut self, origin: Origin, epochs: Epochs) {
        if self.segments.is_empty() && origin == Origin::default() && epochs != Epochs::default() {
            let promised = epochs.accepted;
            self.damage.get_or_insert(Damage::Vanished { promised });
        }
    }

    /// A damaged log that ends below the image cannot be gone on with, for what is appended next
    /// continues the image: an empty one begins there, and the old segments are no part of it.
    pub(crate) fn catch_up_with_image(&mut self, origin: Origin) {
        if self.history.last() >= origin.base {
            return;
        }
        self.segments.clear();
        self.history = History::new(origin.base);
        self.cuts = Cuts::default();
        self.index = Index::default();
        self.committed = origin.base;
        self.torn_end = None;
        self.proven = 0;
    }
}

/// The numbers of all segment files, lowest first.
pub(crate) fn segment_numbers<D: Disk>(disk: &mut D) -> Result<Vec<u64>, DiskError> {
    let mut numbers: Vec<u64> = disk
        .list()?
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads everything, once.
pub(crate) fn scan<D: Disk>(disk: &mut D, origin: Origin) -> Result<Found, LogError> {
    let mut found = Found {
        segments: Vec::new(),
        history: History::new(origin.base),
        cuts: Cuts::default(),
        index: Index::default(),
        committed: origin.base,
        torn_end: None,
        damage: None,
        proven: 0,
        numbers: Vec::new(),
        unborn: Vec::new(),
    };
    let reading = |error| LogError::Disk {
        doing: "read its segments",
        error,
    };
    found.numbers = segment_numbers(disk).map_err(reading)?;
    let headers = read_headers(disk, &found.numbers)?;
    let head = find_head(disk, &headers, &mut found).map_err(reading)?;
    let chain = find_chain(&headers, head, origin, &mut found.damage);
    if let Some(first) = chain.first() {
        found.history = History::new(first.base);
        found.committed = first.committed;
    }
    for (index, header) in chain.iter().enumerate() {
        let next = chain.get(index + 1);
        if !scan_segment(disk, header, next, &mut found).map_err(reading)? {
            break;
        }
    }
    let last = found.history.last();
    found.committed = found.committed.min(last);
    if found.damage.is_none() && last < origin.durable {
        found.damage = Some(Damage::EndsEarly {
            last,
            durable: origin.durable,
        });
    }
    Ok(found)
}

type Headers = BTreeMap<u64, Option<SegmentHeader>>;

fn read_headers<D: Disk>(disk: &mut D, numbers: &[u64]) -> Result<Headers, LogError> {
    let mut headers = Headers::new();
    for number in numbers {
        let file = segment_name(*number);
        let bytes = disk
            .read(&file, 0, SEGMENT_HEADER_BYTES as usize)
            .map_err(|error| LogError::Disk {
                doing: "read a segment's header",
                error,
            })?;
        let header = match SegmentHeader::decode(&bytes, *number) {
            HeaderRead::Good(header) => Some(header),
            HeaderRead::Bad => None,
            HeaderRead::Unknown { format } => {
                return Err(LogError::UnknownFormat {
                    file,
                    found: format,
                    known: crate::record::FORMAT,
                });
            }
        };
        headers.insert(*number, header);
    }
    Ok(headers)
}

/// The newest segment with a good header.
fn find_head<D: Disk>(
    disk: &mut D,
    headers: &Headers,
    found: &mut Found,
) -> Result<Option<u64>, DiskError> {
    for (number, header) in headers.iter().rev() {
        if header.is_some() {
            return Ok(Some(*number));
        }
        // A mark follows a sync, and a sync makes the header durable: without one, the header was
        // never synced and nothing behind it was ever acknowledged.
        let mut window = Window::open(disk, *number)?;
        if window.tail(disk, SEGMENT_HEADER_BYTES)?.has_mark {
            found.damage.get_or_insert(bad_header(*number));
        } else {
            found.unborn.push(*number);
        }
    }
    Ok(None)
}

/// The segments linked to each other, oldest first, from the newest one whose links reach back to
/// the image.
fn find_chain(
    headers: &Headers,
    mut head: Option<u64>,
    origin: Origin,
    damage: &mut Option<Damage>,
) -> Vec<SegmentHeader> {
    if head.is_none() && damage.is_none() && origin.discard_up_to == 0 && origin.base > Zxid::ZERO {
        *damage = Some(Damage::NoLog { image: origin.base });
    }
    while let Some(newest) = head {
        let mut chain = Vec::new();
        let mut next = newest;
        let mut broken = None;
        while next != 0 {
            match headers.get(&next) {
                Some(Some(header)) => {
                    chain.push(*header);
                    next = header.previous;
                    continue;
                }
                Some(None) => broken = Some(next),
                None => {}
            }
            break;
        }
        let base = chain.last().map_or(Zxid::ZERO, |first| first.base);
        if base <= origin.base {
            chain.reverse();
            return chain;
        }
        damage.get_or_insert(match broken {
            Some(number) => bad_header(number),
            None => Damage::BeginsLate {
                base,
                image: origin.base,
            },
        });
        // What is older may still hold a good beginning, which is better than nothing.
        let oldest = chain.last().map_or(newest, |first| first.number);
        head = headers
            .range(..oldest)
            .rev()
            .find_map(|(number, header)| header.map(|_| *number));
    }
    Vec::new()
}

/// Reads one segment; false if the log ends within it.
fn scan_segment<D: Disk>(
    disk: &mut D,
    header: &SegmentHeader,
    next: Option<&SegmentHeader>,
    found: &mut Found,
) -> Result<bool, DiskError> {
    let number = header.number;
    let mut window = Window::open(disk, number)?;
    let mut segment = Segment {
        number,
        base: header.base,
        end: SEGMENT_HEADER_BYTES,
        length: window.length(),
    };
    if header.base != found.history.last() {
        // Not even its beginning is part of the log. What is appended next must not link to it: the
        // next recovery would end here again, before what was appended.
        found.damage.get_or_insert(Damage::Record {
            segment: segment_name(number),
            offset: 0,
            found: "it does not continue the log",
            last: found.history.last(),
        });
        return Ok(false);
    }
    found.committed = found.committed.max(header.committed);
    found.proven = 0;
    let mut bad = None;
    while bad.is_none() && next.is_none_or(|next| segment.end != next.previous_end) {
        let read = window.record(disk, segment.end)?;
        match read
            .and_then(|(record, _, end)| take(record, (number, segment.end), found).map(|()| end))
        {
            Ok(end) => segment.end = end,
            Err(reason) => bad = Some(reason),
        }
    }
    found.segments.push(segment);
    let Some(mut bad) = bad else {
        return Ok(true);
    };
    let is_cut = window.length() < header.length;
    let tail = match next {
        // Marks may be gone with the end of the file, and the file was whole before its header was.
        None if is_cut => {
            bad = "its file has been cut short";
            Tail::durable_up_to(segment.end)
        }
        None => window.tail(disk, segment.end)?,
        // The next segment was begun when this one was durable up to its end.
        Some(_) => Tail::durable_up_to(segment.end),
    };
    if tail.has_mark {
        found.damage.get_or_insert(Damage::Record {
            segment: segment_name(number),
            offset: segment.end,
            found: bad,
            last: found.history.last(),
        });
    } else if tail.end > segment.end {
        found.torn_end = Some(tail.end);
    }
    Ok(false)
}

/// Takes a good record, if it continues what came before.
fn take(record: Record, at: (u64, u64), found: &mut Found) -> Result<(), &'static str> {
    let end = found.history.last();
    match record {
        Record::Entry { zxid, previous } => {
            if previous != end || !zxid.follows(end) {
                return Err("an entry is missing before it");
            }
            found.history.push(zxid);
            found.index.push(zxid, at);
        }
        Record::Mark { last, committed } => {
            if last != end {
                return Err("entries are missing before its mark");
            }
            found.committed = found.committed.max(committed);
            found.proven = at.1;
        }
        Record::Cut { keep, last } => {
            if last != end || keep > end {
                return Err("entries are missing before its cut");
            }
            found.history.cut(keep);
            found.cuts.push(at, keep);
            found.index.cut(keep);
            found.committed = found.committed.min(keep);
        }
    }
    Ok(())
}

fn bad_header(number: u64) -> Damage {
    Damage::Header {
        segment: segment_name(number),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zareba_model::Entry;

    use crate::{Config, Disk as _, Log, MemoryDisk};

    use super::*;

    const CONFIG: Config = Config {
        segment_bytes: 4096,
    };

    fn append(log: &mut Log<MemoryDisk>, counter: u32) {
        let zxid = Zxid::new(1, counter);
        let payload = Bytes::from_static(&[7; 1000]);
        log.append(&[Entry { zxid, payload }], Zxid::ZERO)
            .and_then(|()| log.sync())
            .expect("a log without faults");
    }

    #[test]
    fn what_is_appended_after_a_segment_that_does_not_continue_the_log_is_found_again() {
        let open = |disk| Log::open(disk, CONFIG, Origin::default()).expect("it opens");
        let (mut log, _) = open(MemoryDisk::new());
        (1..8).for_each(|counter| append(&mut log, counter));
        assert!(log.last_segment_number() > 1);
        let mut disk = log.into_disk();
        // The second segment's header is good, and says that other entries were before it.
        let name = segment_name(2);
        let bytes = disk.read(&name, 0, SEGMENT_HEADER_BYTES as usize);
        let HeaderRead::Good(mut header) = SegmentHeader::decode(&bytes.expect("it reads"), 2)
        else {
            panic!("a header that was written");
        };
        let kept = header.base;
        header.base = Zxid::new(1, 500);
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        disk.write_at(&name, 0, &bytes).expect("no fault");
        let (mut log, recovered) = open(disk);
        assert!(matches!(recovered.damage, Some(Damage::Record { .. })));
        assert_eq!(recovered.last, kept);
        append(&mut log, kept.counter + 1);
        let (_, recovered) = open(log.into_disk());
        assert_eq!(recovered.last.counter, kept.counter + 1);
    }
}
