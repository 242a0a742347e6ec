//! Opens a log: recovery's findings, made durable and made good.
//!
//! Every step may be cut short by a crash and is then taken again by the next opening. Must never
//! know what an entry's payload means.

use crate::bug::Bug;
use crate::damage_note;
use crate::disk::{Disk, DiskError};
use crate::epochs::{EPOCHS_FILE, EpochsPage, EpochsRead};
use crate::error::{Damage, LogError};
use crate::history::History;
use crate::log::{Config, Log, Origin, Recovered};
use crate::record::RECORD_HEADER_BYTES;
use crate::recovery::{self, Found, Segment};
use crate::window::{segment_name, write_zeros};
use zareba_model::Zxid;

impl<D: Disk> Log<D> {
    /// Recovers what the disk holds. Cuts a torn tail; removes what is discarded.
    pub fn open(disk: D, config: Config, origin: Origin) -> Result<(Self, Recovered), LogError> {
        Self::open_with(disk, config, origin, None)
    }

    /// The same with a known bug in it.
    #[cfg(feature = "bugs")]
    pub fn open_with_bug(
        disk: D,
        config: Config,
        origin: Origin,
        bug: Option<Bug>,
    ) -> Result<(Self, Recovered), LogError> {
        Self::open_with(disk, config, origin, bug)
    }

    fn open_with(
        mut disk: D,
        config: Config,
        origin: Origin,
        bug: Option<Bug>,
    ) -> Result<(Self, Recovered), LogError> {
        discard(&mut disk, origin.discard_up_to).map_err(|error| LogError::Disk {
            doing: "remove discarded segments",
            error,
        })?;
        let mut found = spoil(recovery::scan(&mut disk, origin)?, origin, bug);
        let fresh = found.numbers.is_empty() && origin == Origin::default();
        let page = open_epochs(&mut disk, fresh)?;
        found.miss_what_vanished(origin, page.epochs);
        found.catch_up_with_image(origin);
        let damage = remember(&mut disk, found.damage.clone()).map_err(|error| LogError::Disk {
            doing: "note its damage",
            error,
        })?;
        let torn_end = found.torn_end;
        let broken = found.segments.is_empty() || is_broken(&found);
        let mut log = Self {
            disk,
            config,
            strays: strays(&found),
            segments: found.segments,
            history: found.history,
            cuts: found.cuts,
            index: found.index,
            committed: found.committed,
            durable: Zxid::ZERO,
            buffer: Vec::new(),
            unsynced: true,
            unmarked: false,
            unsealed: false,
            unlisted: true,
            page,
            poisoned: false,
            bug,
        };
        let highest = found.numbers.last().map_or(0, |last| *last);
        log.remove(found.unborn)?;
        let torn_bytes = log.cut_torn_tail(torn_end)?;
        log.settle(found.proven, broken, highest.max(origin.discard_up_to))?;
        if damage.is_none() {
            let strays = std::mem::take(&mut log.strays);
            log.remove(strays)?;
        }
        let recovered = Recovered {
            epochs: log.epochs(),
            base: log.base(),
            last: log.last(),
            committed: log.committed(),
            torn_bytes,
            damage,
        };
        Ok((log, recovered))
    }

    /// Writes zeros over what was never synced: bytes left there might be taken for records once
    /// the log has grown up to them.
    fn cut_torn_tail(&mut self, torn_end: Option<u64>) -> Result<u64, LogError> {
        let (Some(torn_end), Some(last)) = (torn_end, self.segments.last()) else {
            return Ok(0);
        };
        let (name, from) = (segment_name(last.number), last.end);
        let zeroed = write_zeros(&mut self.disk, &name, from, torn_end);
        self.check("cut its torn tail", zeroed)?;
        Ok(torn_end - from)
    }

    /// What was read may stand in the cache alone, if only the process had died: nothing may be
    /// called durable before it is synced again. And if it died of a failed sync, the kernel takes
    /// the lost pages for clean and a sync alone would do nothing: what no mark proves is written
    /// once more. Begins a segment where there is none to go on in.
    fn settle(&mut self, proven: u64, broken: bool, highest: u64) -> Result<(), LogError> {
        let last = self.segments.last().copied();
        if let Some(last) = last {
            let rewritten = rewrite(&mut self.disk, &segment_name(last.number), proven, last.end);
            self.check("write its tail again", rewritten)?;
        }
        let full = last.is_some_and(|last| last.end + RECORD_HEADER_BYTES > last.length);
        if last.is_some() {
            self.make_durable()?;
        }
        if broken || full {
            let (previous, end) = last.map_or((0, 0), |Segment { number, end, .. }| (number, end));
            self.begin_segment(highest + 1, previous, end, 0)?;
            self.make_durable()?;
        }
        self.mark()?;
        // Once for all that was found: it may be long until the next batch takes the mark along.
        self.seal()
    }
}

/// Recovery's findings as planted bugs see them; as they are in a build without the feature.
fn spoil(mut found: Found, origin: Origin, bug: Option<Bug>) -> Found {
    if !cfg!(feature = "bugs") {
        return found;
    }
    match bug {
        Some(Bug::DropsLogForTornTail) if found.torn_end.take().is_some() => {
            found.segments.clear();
            found.history = History::new(origin.base);
            found.committed = origin.base;
        }
        Some(Bug::RefusesUnbornSegment) => {
            if let Some(number) = found.unborn.first() {
                let segment = segment_name(*number);
                found.damage.get_or_insert(Damage::Header { segment });
            }
        }
        _ => {}
    }
    found
}

fn rewrite<D: Disk>(disk: &mut D, name: &str, from: u64, to: u64) -> Result<(), DiskError> {
    let mut position = from;
    while position < to {
        let bytes = disk.read(name, position, (to - position).min(REWRITE_BYTES) as usize)?;
        if bytes.is_empty() {
            break;
        }
        disk.write_at(name, position, &bytes)?;
        position += bytes.len() as u64;
    }
    Ok(())
}

/// Bytes of the tail written again at a time.
const REWRITE_BYTES: u64 = 1 << 20;

fn discard<D: Disk>(disk: &mut D, up_to: u64) -> Result<(), DiskError> {
    let numbers = recovery::segment_numbers(disk)?;
    let gone: Vec<u64> = numbers
        .into_iter()
        .filter(|number| *number <= up_to)
        .collect();
    for number in &gone {
        disk.remove(&segment_name(*number))?;
    }
    if gone.is_empty() {
        return Ok(());
    }
    disk.sync_directory()
}

/// The page must be there before the first segment is, so that a log without one is a loss.
fn open_epochs<D: Disk>(disk: &mut D, fresh: bool) -> Result<EpochsPage, LogError> {
    let doing = "open the epochs page";
    let read = EpochsPage::open(disk).map_err(|error| LogError::Disk { doing, error })?;
    match read {
        EpochsRead::Good(page) => Ok(page),
        EpochsRead::Unknown { format } => Err(LogError::UnknownFormat {
            file: EPOCHS_FILE.to_owned(),
            found: format,
            known: crate::record::FORMAT,
        }),
        EpochsRead::Missing | EpochsRead::Unreadable if fresh => {
            EpochsPage::create(disk).map_err(|error| LogError::Disk { doing, error })
        }
        EpochsRead::Missing => Err(LogError::EpochsMissing),
        EpochsRead::Unreadable => Err(LogError::EpochsUnreadable),
    }
}

/// Notes new damage before anything is changed, and recalls what was noted before.
fn remember<D: Disk>(disk: &mut D, found: Option<Damage>) -> Result<Option<Damage>, DiskError> {
    match (damage_note::read(disk)?, found) {
        (Some(note), found) => {
            // Only the process may have died between leaving the note and syncing it.
            let text = found
                .filter(|_| note.is_empty())
                .map_or(note, |found| found.to_string());
            damage_note::write(disk, &text)?;
            Ok(Some(Damage::Earlier(text)))
        }
        (None, Some(damage)) => {
            damage_note::write(disk, &damage.to_string())?;
            Ok(Some(damage))
        }
        (None, None) => Ok(None),
    }
}

/// True if the last segment cannot be gone on with: there are bad records behind its end, or other
/// segments, which must stay out of the log.
fn is_broken(found: &Found) -> bool {
    match found.damage {
        None | Some(Damage::EndsEarly { .. } | Damage::Earlier(_)) => false,
        Some(
            Damage::Record { .. }
            | Damage::Header { .. }
            | Damage::BeginsLate { .. }
            | Damage::NoLog { .. }
            | Damage::Vanished { .. },
        ) => true,
    }
}

/// Files that are no part of the log. They are kept while the server is damaged: somebody may want
/// to look.
fn strays(found: &Found) -> Vec<u64> {
    found
        .numbers
        .iter()
        .filter(|number| !found.unborn.contains(number))
        .filter(|number| {
            found
                .segments
                .iter()
                .all(|segment| segment.number != **number)
        })
        .copied()
        .collect()
}
