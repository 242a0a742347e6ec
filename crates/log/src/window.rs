//! Reads records of one segment through a window that slides over the file.
//!
//! Must never know the order of entries; it finds records, it does not judge them.

use bytes::Bytes;

use crate::disk::{Disk, DiskError};
use crate::record::{ALIGNMENT, RECORD_HEADER_BYTES, Record};

/// Bytes read at a time.
const WINDOW_BYTES: u64 = 256 << 10;

/// Zeros, to write over a torn tail.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A record as it was read, or what is wrong with it.
pub(crate) type Read = Result<(Record, Bytes, u64), &'static str>;

/// One segment being read.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    name: String,
    number: u64,
    length: u64,
    start: u64,
    bytes: Bytes,
}

/// What lies behind the last good record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// There is a good mark: what is before it was durable once.
    pub(crate) has_mark: bool,
    /// Behind the last byte that is not zero.
    pub(crate) end: u64,
}

impl Tail {
    /// Something else than a mark proves that all was durable up to here.
    pub(crate) const fn durable_up_to(end: u64) -> Self {
        Self {
            has_mark: true,
            end,
        }
    }
}

impl Window {
    pub(crate) fn open<D: Disk>(disk: &mut D, number: u64) -> Result<Self, DiskError> {
        let name = segment_name(number);
        let length = disk.len(&name)?;
        Ok(Self {
            name,
            number,
            length,
            start: 0,
            bytes: Bytes::new(),
        })
    }

    /// The length of the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from `offset` on, `length` of them unless the file ends before.
    pub(crate) fn bytes<D: Disk>(
        &mut self,
        disk: &mut D,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, DiskError> {
        let end = offset.saturating_add(length).min(self.length);
        let held = self.start..=self.start + self.bytes.len() as u64;
        if !(held.contains(&offset) && held.contains(&end)) {
            let wanted = length
                .max(WINDOW_BYTES)
                .min(self.length.saturating_sub(offset));
            self.bytes = disk.read(&self.name, offset, wanted as usize)?;
            self.start = offset;
        }
        let from = ((offset - self.start) as usize).min(self.bytes.len());
        let to = (end.saturating_sub(self.start) as usize).clamp(from, self.bytes.len());
        Ok(self.bytes.slice(from..to))
    }

    /// The record at `offset`, its payload, and where the next one begins.
    pub(crate) fn record<D: Disk>(&mut self, disk: &mut D, offset: u64) -> Result<Read, DiskError> {
        let header = self.bytes(disk, offset, RECORD_HEADER_BYTES)?;
        if (header.len() as u64) < RECORD_HEADER_BYTES {
            return Ok(Err("the file ends within it"));
        }
        let payload_length = Record::payload_length(&header);
        let end = offset + Record::bytes(payload_length);
        if end > self.length {
            return Ok(Err("its length is impossible"));
        }
        let payload = self.bytes(disk, offset + RECORD_HEADER_BYTES, payload_length)?;
        Ok(Record::decode(&header, &payload, self.number, offset)
            .map(|record| (record, payload, end)))
    }

    /// Looks at everything from `offset` to the end of the file.
    pub(crate) fn tail<D: Disk>(&mut self, disk: &mut D, offset: u64) -> Result<Tail, DiskError> {
        let mut tail = Tail {
            has_mark: false,
            end: offset,
        };
        let mut position = offset;
        while position < self.length {
            let step = WINDOW_BYTES.min(self.length - position);
            let bytes = self.bytes(disk, position, step + RECORD_HEADER_BYTES)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                tail.end = tail.end.max(position + last as u64 + 1);
                tail.has_mark |= has_mark(&bytes, self.number, position);
            }
            position += step;
        }
        Ok(tail)
    }
}

/// The file of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    let mut name = String::with_capacity(20);
    name.push_str("log-");
    // By hand, because every write and sync asks for it.
    for shift in (0..16).rev() {
        let digit = (number >> (4 * shift)) as u32 & 0xf;
        name.extend(char::from_digit(digit, 16));
    }
    name
}

/// The inverse of [`segment_name`].
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.strip_prefix("log-")?, 16).ok()?;
    // Not a name of ours: there would be no next one.
    if number == u64::MAX {
        return None;
    }
    (segment_name(number) == name && number > 0).then_some(number)
}

/// Writes zeros over a part of a file.
pub(crate) fn write_zeros<D: Disk>(
    disk: &mut D,
    name: &str,
    from: u64,
    to: u64,
) -> Result<(), DiskError> {
    let mut position = from;
    while position < to {
        let count = (to - position).min(ZEROS.len() as u64);
        let zeros = ZEROS.get(..count as usize).unwrap_or(&ZEROS);
        disk.write_at(name, position, zeros)?;
        position += zeros.len() as u64;
    }
    Ok(())
}

fn has_mark(bytes: &Bytes, number: u64, position: u64) -> bool {
    let width = RECORD_HEADER_BYTES as usize;
    let mut offset = position;
    bytes
        .windows(width)
        .step_by(ALIGNMENT as usize)
        .any(|header| {
            let here = offset;
            offset += ALIGNMENT;
            Record::may_be_mark(header)
                && matches!(
                    Record::decode(header, &[], number, here),
                    Ok(Record::Mark { .. })
                )
        })
}
