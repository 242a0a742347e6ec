//! From a data directory to a replica that can start: the image, then the log over it. Must never
//! know what a record or an entry means.

use std::collections::VecDeque;
use std::path::Path;

use zareba_log::Log;
use zareba_model::{Entry, Epoch, Zxid};
use zareba_replica::recovery::{Recovered, RecoveredLog, Recovery, RecoveryError};
use zareba_storage::{Config, Directory, Image, ImageMeta, StorageError, Store};

use crate::error::StartError;
use crate::image::keep_behind;
use crate::log_disk::{FaultScript, LogDisk};
use crate::progress::Progress;

/// An open data directory and what it held.
pub(crate) struct Opened {
    pub(crate) log: Log<LogDisk>,
    pub(crate) image: Image,
    /// Keeps other processes out for as long as it lives.
    pub(crate) directory: Directory,
    pub(crate) recovered: Recovered,
    pub(crate) standing: Standing,
}

/// What a directory that was opened is worth in a quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All that was durable is there.
    Sound,
    /// It never held a history: a new server's, or one in the place of a disk that was lost.
    New,
    /// Something that was durable is missing: a leader must refill this server before it votes.
    Damaged,
}

/// How much of the log's committed part is kept in memory, for peers that are a little behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailWindow {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// Opens a data directory and recovers its state.
pub(crate) fn open(path: &Path, window: TailWindow) -> Result<Opened, StartError> {
    let script = FaultScript::read()?;
    let refused = |error: StorageError| StartError::Storage {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let invalid = |message: String| StartError::Recovery {
        path: path.to_owned(),
        message,
    };
    let opened = Store::open_on(path, Config::default(), |files| script.around(files));
    let mut store = opened.map_err(refused)?;
    let mut standing = report(&store);
    let restored = match restore(&mut store, window, standing) {
        Err(reason) if store.image.meta() != ImageMeta::default() => {
            // It can be had from the leader, and the log may even make up for it.
            store = store
                .without_image(Config::default(), |files| script.around(files), reason)
                .map_err(refused)?;
            standing = report(&store);
            restore(&mut store, window, standing)
        }
        restored => restored,
    };
    let recovered = restored.map_err(invalid)?;
    tracing::info!(applied = %recovered.applied(), "recovered");
    Ok(Opened {
        log: store.log,
        image: store.image,
        directory: store.directory,
        recovered,
        standing,
    })
}

/// Tells the operator what was found.
fn report(store: &Store<LogDisk>) -> Standing {
    if let Some(reason) = &store.image_lost {
        tracing::error!(
            reason,
            "the image is unusable and was set aside as image.broken; what the log cannot make up \
             for comes from the leader, nothing is to be done"
        );
    }
    if store.recovered.torn_bytes > 0 {
        let bytes = store.recovered.torn_bytes;
        tracing::info!(bytes, "cut a write off the log that was never finished");
    }
    if let Some(damage) = &store.recovered.damage {
        tracing::error!(
            %damage,
            "this server does not vote until a leader has refilled it; keep a quorum of the others up"
        );
        return Standing::Damaged;
    }
    // Written behind the first history, so that a refill that was cut short changes nothing.
    match store.recovered.epochs.current {
        Epoch(0) => Standing::New,
        _ => Standing::Sound,
    }
}

/// From the image and the log to the replica's state.
fn restore(
    store: &mut Store<LogDisk>,
    window: TailWindow,
    standing: Standing,
) -> Result<Recovered, String> {
    let mut recovery = load_image(store)?;
    let tail = replay_log(store, &mut recovery, window)?;
    let log = RecoveredLog {
        accepted_epoch: store.recovered.epochs.accepted,
        current_epoch: store.recovered.epochs.current,
        tail: tail.entries.into(),
        tail_base: tail.base,
        may_vote: standing == Standing::Sound,
    };
    recovery.finish(log).map_err(|error| error.to_string())
}

fn load_image(store: &Store<LogDisk>) -> Result<Recovery, String> {
    let meta = store.image.meta();
    // An image that was never written says nothing about any tree.
    let mark = meta.digest_mark().filter(|mark| mark.zxid > Zxid::ZERO);
    let mut recovery = Recovery::new(meta.start, meta.origin().durable, mark);
    let mut first_error: Option<RecoveryError> = None;
    let mut records = 0_u64;
    let about = store.image.approximate_len();
    let mut progress = Progress::begin("loading the image", "records", about);
    let read = store.image.for_each(|key, value| {
        if first_error.is_some() {
            return;
        }
        first_error = recovery.add_record(key, value).err();
        records += 1;
        progress.at(records);
    });
    read.map_err(|error| error.to_string())?;
    match first_error {
        Some(error) => Err(error.to_string()),
        None => {
            let ms = progress.elapsed_ms();
            tracing::info!(records, start = %meta.start, end = %meta.end, ms, "the image is loaded");
            Ok(recovery)
        }
    }
}

/// The log's end, as far as it is kept in memory.
#[derive(Debug)]
struct Tail {
    /// Right before the first entry.
    base: Zxid,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Tail {
    /// Takes the next entry; lets go of committed ones from the front when there are too many.
    fn push(&mut self, entry: Entry, committed: Zxid, window: TailWindow) {
        self.bytes += entry.payload.len();
        self.entries.push_back(entry);
        while self.entries.len() > window.entries || self.bytes > window.bytes {
            let Some(first) = self.entries.pop_front_if(|first| first.zxid <= committed) else {
                return;
            };
            self.bytes -= first.payload.len();
            self.base = first.zxid;
        }
    }
}

/// Replays what is known to be committed: what the log says, and what the image holds of already,
/// since nothing is put into an image before it is committed.
fn replay_log(
    store: &mut Store<LogDisk>,
    recovery: &mut Recovery,
    window: TailWindow,
) -> Result<Tail, String> {
    let origin = store.image.meta().origin();
    let committed = store.recovered.committed.max(origin.durable);
    let keep = u32::try_from(window.entries).unwrap_or(u32::MAX);
    let from = keep_behind(store.replay_from(), keep).max(store.log.base());
    let mut tail = Tail {
        base: from,
        entries: VecDeque::new(),
        bytes: 0,
    };
    let mut replay = store.log.replay_after(from).map_err(|e| e.to_string())?;
    let (mut replayed, mut bytes) = (0_u64, 0_u64);
    let about = store.log.bytes_behind(from);
    let mut progress = Progress::begin("replaying the log", "bytes", about);
    loop {
        let entries = store
            .log
            .read(&mut replay, READ_BYTES)
            .map_err(|error| error.to_string())?;
        if entries.is_empty() {
            let (last, ms) = (store.log.last(), progress.elapsed_ms());
            tracing::info!(replayed, %committed, %last, ms, "the log is replayed");
            return Ok(tail);
        }
        for entry in entries {
            if entry.zxid <= committed {
                recovery.replay(&entry).map_err(|error| error.to_string())?;
                replayed += 1;
            }
            bytes += ENTRY_BYTES + entry.payload.len() as u64;
            progress.at(bytes);
            tail.push(entry, committed, window);
        }
    }
}

/// What the log adds to each payload, for showing progress.
const ENTRY_BYTES: u64 = 36;

/// Bytes of the log read at once.
const READ_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn tail_of(entries: u32, committed: u32, window: TailWindow) -> Tail {
        let mut tail = Tail {
            base: Zxid::ZERO,
            entries: VecDeque::new(),
            bytes: 0,
        };
        for counter in 1..=entries {
            let entry = Entry {
                zxid: Zxid::new(1, counter),
                payload: Bytes::from_static(b"0123456789"),
            };
            tail.push(entry, Zxid::new(1, committed), window);
        }
        tail
    }

    #[test]
    fn the_tail_keeps_a_window_of_committed_entries_and_every_other() {
        let window = TailWindow {
            entries: 3,
            bytes: 1_000,
        };
        let tail = tail_of(10, 10, window);
        assert_eq!((tail.base, tail.entries.len()), (Zxid::new(1, 7), 3));
        let tail = tail_of(10, 2, window);
        assert_eq!((tail.base, tail.entries.len()), (Zxid::new(1, 2), 8));
    }

    #[test]
    fn the_tail_is_bounded_in_bytes_too() {
        let window = TailWindow {
            entries: 100,
            bytes: 25,
        };
        let tail = tail_of(10, 10, window);
        assert_eq!((tail.base, tail.entries.len()), (Zxid::new(1, 8), 2));
    }

    #[test]
    fn a_new_directory_recovers_to_nothing_and_is_known_for_new() {
        let folder = tempfile::tempdir().unwrap();
        let window = TailWindow {
            entries: 3,
            bytes: 25,
        };
        for _ in 0..2 {
            let opened = open(&folder.path().join("data"), window).unwrap();
            assert_eq!(opened.recovered.applied(), Zxid::ZERO);
            assert_eq!(opened.standing, Standing::New);
        }
    }
}
