//! Looks at a log that nobody uses, and changes nothing: for an operator who wants to know.
//!
//! It takes recovery's own findings, so that it never judges otherwise than the next start will. Must
//! never know what an entry's payload means.

use bytes::Bytes;
use zareba_model::Zxid;

use crate::damage_note;
use crate::disk::{Disk, DiskError};
use crate::epochs::{Epochs, EpochsPage, EpochsRead};
use crate::error::{Damage, LogError};
use crate::log::Origin;
use crate::record::{Record, SEGMENT_HEADER_BYTES};
use crate::recovery::{self, Found, Segment};
use crate::window::{Window, segment_name};

/// Everything about a log but its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The epochs page.
    pub epochs: EpochsFound,
    /// All segment files, oldest first.
    pub segments: Vec<SegmentFound>,
    /// The log holds every entry behind this.
    pub base: Zxid,
    /// Its last entry, or `base`.
    pub last: Zxid,
    /// Known to be committed; at most `last`.
    pub committed: Zxid,
    /// Bytes of a write that never was synced; the next start cuts them off.
    pub torn_bytes: u64,
    /// What is missing that once was durable.
    pub damage: Option<Damage>,
    /// The note of an earlier start that was damaged and has not been refilled since.
    pub note: Option<String>,
}

/// What became of the epochs page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochsFound {
    /// There is none.
    Missing,
    /// Neither copy is good.
    Unreadable,
    /// Of a format that this program does not know.
    Unknown {
        /// Which.
        format: u32,
    },
    /// The promises, and how many of the two copies say so; the next start mends the other.
    Good {
        /// What was promised.
        epochs: Epochs,
        /// One or two.
        copies: usize,
    },
}

impl EpochsFound {
    /// The promises, if they can be read.
    pub fn promised(&self) -> Option<Epochs> {
        match self {
            Self::Good { epochs, .. } => Some(*epochs),
            Self::Missing | Self::Unreadable | Self::Unknown { .. } => None,
        }
    }
}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFound {
    /// Its name.
    pub file: String,
    /// Its length.
    pub length: u64,
    /// The last entry before it and where its last good record ends; none if the file is no part of
    /// the log: never finished, or cut off from it by damage.
    pub part: Option<(Zxid, u64)>,
}

/// One record of the log, where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment's file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// What stands there.
    pub found: RecordFound,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordFound {
    /// A transaction.
    Entry {
        /// Its place in the order.
        zxid: Zxid,
        /// Its bytes.
        payload: Bytes,
        /// A later cut has voided it.
        is_void: bool,
    },
    /// Everything before is durable.
    Mark {
        /// The last entry before.
        last: Zxid,
        /// What was known to be committed.
        committed: Zxid,
    },
    /// Entries behind `keep` up to here are void.
    Cut {
        /// The last entry kept.
        keep: Zxid,
        /// The last entry before the cut.
        last: Zxid,
    },
}

/// Reads the whole log, gives every good record to `visit` in the order of the files, and says what
/// recovery would find. Makes no changing call of the disk.
pub fn inspect<D: Disk>(
    disk: &mut D,
    origin: Origin,
    visit: &mut dyn FnMut(Place),
) -> Result<Inspection, LogError> {
    let mut found = recovery::scan(disk, origin)?;
    let (page, copies) = EpochsPage::read(disk).map_err(failed("read the epochs page"))?;
    if let EpochsRead::Good(page) = page {
        found.miss_what_vanished(origin, page.epochs);
    }
    for segment in &found.segments {
        visit_records(disk, &found, segment, visit)?;
    }
    let mut segments = Vec::new();
    for number in &found.numbers {
        let file = segment_name(*number);
        let length = disk.len(&file).map_err(failed("measure a segment"))?;
        let part = found.segments.iter().find(|part| part.number == *number);
        segments.push(SegmentFound {
            file,
            length,
            part: part.map(|part| (part.base, part.end)),
        });
    }
    let end = found.segments.last().map_or(0, |last| last.end);
    Ok(Inspection {
        epochs: match page {
            EpochsRead::Missing => EpochsFound::Missing,
            EpochsRead::Unreadable => EpochsFound::Unreadable,
            EpochsRead::Unknown { format } => EpochsFound::Unknown { format },
            EpochsRead::Good(page) => EpochsFound::Good {
                epochs: page.epochs,
                copies: copies
                    .iter()
                    .filter(|copy| copy.is_some_and(|copy| copy.epochs == page.epochs))
                    .count(),
            },
        },
        segments,
        base: found.history.base(),
        last: found.history.last(),
        committed: found.committed,
        torn_bytes: found.torn_end.map_or(0, |torn| torn.saturating_sub(end)),
        damage: found.damage,
        note: damage_note::read(disk).map_err(failed("read its note of damage"))?,
    })
}

fn visit_records<D: Disk>(
    disk: &mut D,
    log: &Found,
    segment: &Segment,
    visit: &mut dyn FnMut(Place),
) -> Result<(), LogError> {
    let mut window = Window::open(disk, segment.number).map_err(failed("open a segment"))?;
    let mut offset = SEGMENT_HEADER_BYTES;
    while offset < segment.end {
        let read = window
            .record(disk, offset)
            .map_err(failed("read a segment"))?;
        let file = segment_name(segment.number);
        let Ok((record, payload, end)) = read else {
            return Err(LogError::Unreadable {
                segment: file,
                offset,
            });
        };
        let is_void = |zxid| !log.cuts.spares((segment.number, offset), zxid);
        let found = match record {
            Record::Entry { zxid, .. } => RecordFound::Entry {
                zxid,
                payload,
                is_void: is_void(zxid),
            },
            Record::Mark { last, committed } => RecordFound::Mark { last, committed },
            Record::Cut { keep, last } => RecordFound::Cut { keep, last },
        };
        visit(Place {
            file,
            offset,
            found,
        });
        offset = end;
    }
    Ok(())
}

fn failed(doing: &'static str) -> impl FnOnce(DiskError) -> LogError {
    move |error| LogError::Disk { doing, error }
}
