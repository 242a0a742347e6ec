//! The bytes of a segment: its header and its records. The crate page draws them.
//!
//! Must never know a disk, nor what follows what.

use bytes::Bytes;
use zareba_model::Zxid;

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 64;
/// Bytes of a record without its payload; all of a mark or a cut.
pub(crate) const RECORD_HEADER_BYTES: u64 = 32;
/// Records begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;
/// The format that this program writes.
pub(crate) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"ZAREBALG";
const ENTRY: u32 = u32::from_le_bytes(*b"ENTR");
const MARK: u32 = u32::from_le_bytes(*b"MARK");
const CUT: u32 = u32::from_le_bytes(*b"CUT!");

/// One record, its payload apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A transaction; `previous` is the last entry before it.
    Entry { zxid: Zxid, previous: Zxid },
    /// Everything before this place is durable; `last` is the last entry before it.
    Mark { last: Zxid, committed: Zxid },
    /// Entries behind `keep` up to here are void; `last` was the last of them.
    Cut { keep: Zxid, last: Zxid },
}

impl Record {
    /// Appends this record, as it stands at `offset` of segment `number`.
    pub(crate) fn encode(self, payload: &[u8], number: u64, offset: u64, out: &mut Vec<u8>) {
        debug_assert_eq!(offset % ALIGNMENT, 0);
        let (kind, first, second) = match self {
            Self::Entry { zxid, previous } => (ENTRY, zxid, previous),
            Self::Mark { last, committed } => (MARK, last, committed),
            Self::Cut { keep, last } => (CUT, keep, last),
        };
        let mut rest = [0u8; RECORD_HEADER_BYTES as usize - 4];
        put(&mut rest, 0, &kind.to_le_bytes());
        put(&mut rest, 4, &(payload.len() as u32).to_le_bytes());
        put(&mut rest, 12, &first.to_u64().to_le_bytes());
        put(&mut rest, 20, &second.to_u64().to_le_bytes());
        let checksum = checksum(&rest, payload, number, offset);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&rest);
        out.extend_from_slice(payload);
        out.resize(out.len() + padding(payload.len() as u64) as usize, 0);
    }

    /// Reads the record whose header and payload are given; `Err` says what is wrong with it.
    pub(crate) fn decode(
        header: &[u8],
        payload: &[u8],
        number: u64,
        offset: u64,
    ) -> Result<Self, &'static str> {
        let (stored, rest) = header.split_at_checked(4).ok_or("it is cut short")?;
        if u32_at(stored, 0) != checksum(rest, payload, number, offset) {
            return Err("its checksum does not match");
        }
        let (first, second) = (
            Zxid::from_u64(u64_at(rest, 12)),
            Zxid::from_u64(u64_at(rest, 20)),
        );
        Ok(match u32_at(rest, 0) {
            ENTRY => Self::Entry {
                zxid: first,
                previous: second,
            },
            MARK => Self::Mark {
                last: first,
                committed: second,
            },
            CUT => Self::Cut {
                keep: first,
                last: second,
            },
            _ => return Err("its kind is unknown"),
        })
    }

    /// The length of the payload behind this header.
    pub(crate) fn payload_length(header: &[u8]) -> u64 {
        u64::from(u32_at(header, 8))
    }

    /// True if the bytes may be a mark's; cheap, for searching.
    pub(crate) fn may_be_mark(header: &[u8]) -> bool {
        u32_at(header, 4) == MARK
    }

    /// Bytes of a record with a payload of such a length.
    pub(crate) fn bytes(payload_length: u64) -> u64 {
        RECORD_HEADER_BYTES + payload_length + padding(payload_length)
    }
}

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The segment's own number.
    pub(crate) number: u64,
    /// The segment before it, or 0 where a log begins.
    pub(crate) previous: u64,
    /// Where that one ends: it was durable up to there before this one came to be.
    pub(crate) previous_end: u64,
    /// The last entry before this segment.
    pub(crate) base: Zxid,
    /// What was known to be committed.
    pub(crate) committed: Zxid,
    /// The length its file was made with, before this header came to be: a shorter one was cut.
    pub(crate) length: u64,
}

/// What the first bytes of a segment turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    Good(SegmentHeader),
    Bad,
    Unknown { format: u32 },
}

impl SegmentHeader {
    /// Appends the header.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut bytes = [0u8; SEGMENT_HEADER_BYTES as usize - 4];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &FORMAT.to_le_bytes());
        // In units of 8 bytes, which is how records are aligned, so that it fits.
        let length = u32::try_from(self.length / ALIGNMENT).unwrap_or(u32::MAX);
        put(&mut bytes, 12, &length.to_le_bytes());
        put(&mut bytes, 16, &self.number.to_le_bytes());
        put(&mut bytes, 24, &self.previous.to_le_bytes());
        put(&mut bytes, 32, &self.previous_end.to_le_bytes());
        put(&mut bytes, 40, &self.base.to_u64().to_le_bytes());
        put(&mut bytes, 48, &self.committed.to_u64().to_le_bytes());
        out.extend_from_slice(&bytes);
        out.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    }

    /// Reads the header of segment `number`.
    pub(crate) fn decode(bytes: &Bytes, number: u64) -> HeaderRead {
        let Some((body, stored)) = bytes
            .get(..SEGMENT_HEADER_BYTES as usize)
            .and_then(|header| header.split_at_checked(header.len() - 4))
        else {
            return HeaderRead::Bad;
        };
        if !body.starts_with(&MAGIC) || u32_at(stored, 0) != crc32c::crc32c(body) {
            return HeaderRead::Bad;
        }
        let format = u32_at(body, 8);
        if format != FORMAT {
            return HeaderRead::Unknown { format };
        }
        let header = Self {
            number: u64_at(body, 16),
            previous: u64_at(body, 24),
            previous_end: u64_at(body, 32),
            base: Zxid::from_u64(u64_at(body, 40)),
            committed: Zxid::from_u64(u64_at(body, 48)),
            length: u64::from(u32_at(body, 12)) * ALIGNMENT,
        };
        if header.number == number && header.previous < number {
            HeaderRead::Good(header)
        } else {
            HeaderRead::Bad
        }
    }
}

/// The checksum covers where the record stands, so that bytes of another place, or of a file that
/// had the same blocks before, are never taken for a record.
fn checksum(rest: &[u8], payload: &[u8], number: u64, offset: u64) -> u32 {
    let mut sum = crc32c::crc32c(&number.to_le_bytes());
    sum = crc32c::crc32c_append(sum, &offset.to_le_bytes());
    sum = crc32c::crc32c_append(sum, rest);
    crc32c::crc32c_append(sum, payload)
}

fn padding(length: u64) -> u64 {
    length.next_multiple_of(ALIGNMENT) - length
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes
        .iter_mut()
        .skip(at)
        .zip(value)
        .for_each(|(byte, value)| *byte = *value);
}

/// Little-endian at `at`; zero beyond the end, which no checksum lets pass.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// See [`u32_at`].
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
