//! The log's files with anything in them: segments, the epochs page, the note of damage. Must never
//! know what an entry's payload means.
//!
//! Random bytes have no good checksum, so an input may ask that those in its segments are made good:
//! then what is fuzzed is what recovery makes of records that are well formed and make no sense. For
//! that the layout that the log's crate page draws is written down here once more, by hand.

use bytes::Bytes;
use zareba_log::inspection::{Inspection, RecordFound};
use zareba_log::{Config, Damage, Disk, Epochs, Log, LogError, MemoryDisk, Origin, inspect};
use zareba_model::{Entry, Epoch, Zxid};

use crate::input::{Input, put_piece};
use crate::memory::{Bound, within};

/// Records as they are looked at; and, of a file that is longer than its bytes, what is read at a
/// time.
const LOOKED_AT: Bound = Bound::per_byte(64).and(1 << 20);

/// The files on a disk of whole pages, the log in memory, and the segment that is begun.
const OPENED: Bound = Bound::per_byte(128).and(2 << 20);

const CONFIG: Config = Config {
    segment_bytes: 4096,
};

/// Zeros behind a file's bytes, as a segment that is not full has them.
const ZEROS: u64 = 512;

const SEGMENT_HEADER_BYTES: usize = 64;
const RECORD_HEADER_BYTES: usize = 32;

/// Looks at the files, opens them as a log, goes on with it, and opens it again.
pub(crate) fn log_files(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let Some(mode) = input.byte() else { return };
    let origin = origin(mode >> 1 & 3, &mut input);
    let Some(mut disk) = disk(mode & 1 == 1, &mut input) else {
        return;
    };
    let before = disk.fingerprint();
    let mut entries = Vec::new();
    let looked = within(LOOKED_AT, bytes.len(), || {
        inspect(&mut disk, origin, &mut |place| {
            if let RecordFound::Entry {
                zxid,
                is_void: false,
                ..
            } = place.found
            {
                entries.push(zxid);
            }
        })
    });
    assert_eq!(disk.fingerprint(), before, "looking has changed something");
    let opened = within(OPENED, bytes.len(), || {
        Log::open(disk.clone(), CONFIG, origin)
    });
    match opened {
        Ok((log, recovered)) => {
            let looked = match looked {
                Ok(looked) => looked,
                Err(error) => panic!("it opens as {recovered:?}, but looking says {error}"),
            };
            assert_eq!(looked.note.is_some(), is_earlier(&recovered.damage));
            go_on(log, origin, recovered.damage);
            in_order(&looked, &entries);
        }
        Err(LogError::EpochsMissing | LogError::EpochsUnreadable) => {}
        Err(LogError::UnknownFormat { .. }) => {}
        Err(error) => panic!("a disk without a fault is refused: {error}"),
    }
}

fn is_earlier(damage: &Option<Damage>) -> bool {
    matches!(damage, Some(Damage::Earlier(_)))
}

/// The entries that are part of the log rise, and end with its last one.
fn in_order(looked: &Inspection, entries: &[Zxid]) {
    assert!(entries.is_sorted_by(|a, b| a < b), "{entries:?}");
    let last = entries.last().copied().unwrap_or(looked.base);
    assert!(looked.committed <= looked.last && last <= looked.last);
}

/// The log takes an entry and gives all back, and the next opening finds no less.
fn go_on(mut log: Log<MemoryDisk>, origin: Origin, damage: Option<Damage>) {
    let mut all = read(&mut log);
    let last = log.last();
    let next = last.next().unwrap_or(Zxid::ZERO);
    let entry = Entry {
        zxid: next,
        payload: Bytes::from_static(b"next"),
    };
    if next.follows(last) {
        assert_eq!(log.append(std::slice::from_ref(&entry), last), Ok(()));
        assert_eq!(log.sync(), Ok(()));
        all.push(entry);
        assert_eq!(read(&mut log), all);
    }
    let (base, last) = (log.base(), log.last());
    let disk = log.into_disk();
    let (mut log, recovered) = match Log::open(disk, CONFIG, origin) {
        Ok(opened) => opened,
        Err(error) => panic!("a log that was open is refused: {error}"),
    };
    assert_eq!((recovered.base, recovered.last), (base, last));
    assert_eq!(recovered.torn_bytes, 0);
    assert_eq!(recovered.damage.is_some(), damage.is_some());
    assert_eq!(read(&mut log), all);
}

/// All entries.
fn read(log: &mut Log<MemoryDisk>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut replay = match log.replay_after(log.base()) {
        Ok(replay) => replay,
        Err(error) => panic!("a log cannot be read from its beginning: {error}"),
    };
    loop {
        match log.read(&mut replay, 64) {
            Ok(more) if more.is_empty() => break,
            Ok(more) => entries.extend(more),
            Err(error) => panic!("what was recovered cannot be read: {error}"),
        }
    }
    let mut before = log.base();
    for entry in &entries {
        assert!(entry.zxid.follows(before), "{} behind {before}", entry.zxid);
        before = entry.zxid;
    }
    assert_eq!(before, log.last(), "the last one read");
    entries
}

/// What an image says; most logs have none.
fn origin(kind: u8, input: &mut Input<'_>) -> Origin {
    if kind != 3 {
        return Origin::default();
    }
    let mut small = || input.byte().unwrap_or_default();
    let base = Zxid::new((small() >> 4).into(), (small() >> 4).into());
    let behind = Zxid::new((small() >> 4).into(), (small() >> 4).into());
    Origin {
        discard_up_to: (small() >> 6).into(),
        base,
        durable: base.max(behind),
    }
}

/// A disk of the input's files; none if there is none.
fn disk(seal: bool, input: &mut Input<'_>) -> Option<MemoryDisk> {
    let mut disk = MemoryDisk::new();
    while let Some(kind) = input.byte() {
        let zeros = u64::from(input.byte()?) * ZEROS;
        let mut bytes = input.piece()?.to_vec();
        let name = match kind {
            0 => "epochs".to_owned(),
            1 => "damaged".to_owned(),
            number => {
                let number = u64::from(number) - 1;
                if seal {
                    self::seal(number, &mut bytes);
                }
                format!("log-{number:016x}")
            }
        };
        // A name that is there already is another part of the input without an effect.
        if disk.create(&name, bytes.len() as u64 + zeros).is_ok() {
            disk.write_at(&name, 0, &bytes).ok()?;
            disk.sync(&name).ok()?;
        }
    }
    disk.sync_directory().ok()?;
    Some(disk)
}

/// Makes every checksum of a segment good.
fn seal(number: u64, segment: &mut [u8]) {
    if let Some((body, checksum)) = segment
        .get_mut(..SEGMENT_HEADER_BYTES)
        .and_then(|header| header.split_at_mut_checked(SEGMENT_HEADER_BYTES - 4))
    {
        checksum.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    }
    let mut offset = SEGMENT_HEADER_BYTES;
    while let Some(record) = segment.get_mut(offset..) {
        let Some(length) = record.get(8..12).and_then(|bytes| bytes.first_chunk()) else {
            return;
        };
        let length = RECORD_HEADER_BYTES + u32::from_le_bytes(*length) as usize;
        let Some((checksum, rest)) = record
            .get_mut(..length)
            .and_then(|record| record.split_at_mut_checked(4))
        else {
            return;
        };
        let sum = crc32c::crc32c(&number.to_le_bytes());
        let sum = crc32c::crc32c_append(sum, &(offset as u64).to_le_bytes());
        let sum = crc32c::crc32c_append(sum, rest);
        checksum.copy_from_slice(&sum.to_le_bytes());
        offset += length.next_multiple_of(8);
    }
}

/// Inputs of a log that has lived: full segments, a truncation, a torn tail, each with and without an
/// image, with checksums as they are and made good.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let opened = Log::open(MemoryDisk::new(), CONFIG, Origin::default());
    let Ok((mut log, _)) = opened else {
        return Vec::new();
    };
    let fill = |log: &mut Log<MemoryDisk>, epoch: u32, counters: std::ops::Range<u32>| {
        for counter in counters {
            let payload = Bytes::from(vec![counter as u8; 40 * counter as usize]);
            let zxid = Zxid::new(epoch, counter);
            let appended = log.append(&[Entry { zxid, payload }], Zxid::new(epoch, 1));
            assert_eq!(appended.and_then(|()| log.sync()), Ok(()));
        }
    };
    fill(&mut log, 1, 1..4);
    let mut disks = vec![log.disk_mut().clone()];
    fill(&mut log, 1, 4..20);
    assert_eq!(log.truncate_after(Zxid::new(1, 17)), Ok(Zxid::new(1, 17)));
    fill(&mut log, 3, 1..3);
    disks.push(log.disk_mut().clone());
    let epochs = Epochs {
        accepted: Epoch(3),
        current: Epoch(3),
    };
    assert_eq!(log.write_epochs(epochs), Ok(()));
    assert_eq!(log.purge_below(Zxid::new(1, 15)), Ok(()));
    disks.push(log.into_disk());
    let modes = [0, 1, 6, 7];
    let inputs = disks.iter_mut().flat_map(|disk| {
        let files = files(disk);
        modes.map(|mode| {
            let origin: &[u8] = if mode > 1 {
                &[0x10, 0xf0, 0x10, 0xf0, 0]
            } else {
                &[]
            };
            [&[mode], origin, &files].concat()
        })
    });
    inputs.collect()
}

/// A disk's files, as [`disk`] reads them.
fn files(disk: &mut MemoryDisk) -> Vec<u8> {
    let mut out = Vec::new();
    for name in disk.list().unwrap_or_default() {
        let length = disk.len(&name).unwrap_or_default();
        let bytes = disk.read(&name, 0, length as usize).unwrap_or_default();
        let used = bytes.iter().rposition(|byte| *byte != 0);
        let used = bytes
            .get(..used.map_or(0, |last| last + 1))
            .unwrap_or_default();
        let number = name.strip_prefix("log-").unwrap_or("0");
        let number = u8::from_str_radix(number, 16).unwrap_or_default();
        let kind = match &*name {
            "epochs" => 0,
            "damaged" => 1,
            _ => number + 1,
        };
        let zeros = (length - used.len() as u64).div_ceil(ZEROS) as u8;
        out.extend_from_slice(&[kind, zeros]);
        put_piece(used, &mut out);
    }
    out
}
