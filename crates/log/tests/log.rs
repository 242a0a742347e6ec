//! The log's promises, one by one, on a disk in memory.

#![expect(
    clippy::unwrap_used,
    reason = "tests fail by panicking, their helpers too"
)]

use bytes::Bytes;
use zareba_log::inspection::RecordFound;
use zareba_log::{
    Config, Damage, Disk, DiskError, Epochs, Log, LogError, LogSlice, MemoryDisk, Origin, inspect,
};
use zareba_model::{Entry, Epoch, Zxid};

const SMALL: Config = Config {
    segment_bytes: 1024,
};

fn entry(epoch: u32, counter: u32) -> Entry {
    Entry {
        zxid: Zxid::new(epoch, counter),
        payload: Bytes::from(format!("payload of {epoch}.{counter}")),
    }
}

fn entries(epoch: u32, counters: std::ops::RangeInclusive<u32>) -> Vec<Entry> {
    counters.map(|counter| entry(epoch, counter)).collect()
}

fn open(disk: MemoryDisk) -> (Log<MemoryDisk>, zareba_log::Recovered) {
    Log::open(disk, SMALL, Origin::default()).unwrap()
}

fn read_all<D: Disk>(log: &mut Log<D>, after: Zxid) -> Vec<Entry> {
    let mut replay = log.replay_after(after).unwrap();
    let mut all = Vec::new();
    loop {
        let some = log.read(&mut replay, 100).unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

/// Nothing that was not synced survives.
fn lose_unsynced(disk: &mut MemoryDisk) {
    disk.crash(&mut || 1);
}

#[test]
fn synced_entries_survive_a_crash_over_many_segments() {
    let (mut log, recovered) = open(MemoryDisk::new());
    assert_eq!(recovered.last, Zxid::ZERO);
    log.append(&entries(1, 1..=100), Zxid::new(1, 90)).unwrap();
    log.sync().unwrap();
    log.append(&entries(1, 101..=120), Zxid::new(1, 100))
        .unwrap();
    let mut disk = log.into_disk();
    lose_unsynced(&mut disk);
    let (mut log, recovered) = open(disk);
    assert_eq!(recovered.damage, None);
    assert!(recovered.last >= Zxid::new(1, 100));
    assert!(log.last_segment_number() > 3);
    let kept = read_all(&mut log, Zxid::ZERO);
    assert_eq!(kept[..100], entries(1, 1..=100)[..]);
    assert_eq!(
        read_all(&mut log, Zxid::new(1, 70))[..30],
        entries(1, 71..=100)[..]
    );
}

#[test]
fn nothing_is_durable_before_sync() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=3), Zxid::ZERO).unwrap();
    assert_eq!((log.last(), log.durable()), (Zxid::new(1, 3), Zxid::ZERO));
    assert_eq!(read_all(&mut log, Zxid::ZERO), []);
    log.sync().unwrap();
    assert_eq!(log.durable(), Zxid::new(1, 3));
    assert_eq!(read_all(&mut log, Zxid::ZERO), entries(1, 1..=3));
}

#[test]
fn a_replay_goes_on_where_the_log_has_grown() {
    let (mut log, _) = open(MemoryDisk::new());
    let mut replay = log.replay_after(Zxid::ZERO).unwrap();
    for counter in 1..=60 {
        log.append(&[entry(1, counter)], Zxid::ZERO).unwrap();
        log.sync().unwrap();
        assert_eq!(log.read(&mut replay, 1000).unwrap(), [entry(1, counter)]);
    }
}

#[test]
fn an_entry_that_leaves_a_hole_is_refused_with_its_batch() {
    let (mut log, _) = open(MemoryDisk::new());
    let batch = [entry(1, 1), entry(1, 3)];
    assert!(matches!(
        log.append(&batch, Zxid::ZERO),
        Err(LogError::Hole { .. })
    ));
    assert_eq!(log.last(), Zxid::ZERO);
    log.append(&[entry(1, 1)], Zxid::ZERO).unwrap();
}

#[test]
fn an_entry_larger_than_a_segment_gets_its_own() {
    let (mut log, _) = open(MemoryDisk::new());
    let large = Entry {
        zxid: Zxid::new(1, 2),
        payload: Bytes::from(vec![7; 5000]),
    };
    let all = [entry(1, 1), large, entry(1, 3)];
    log.append(&all, Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let (mut log, recovered) = open(log.into_disk());
    assert_eq!((recovered.damage, recovered.torn_bytes), (None, 0));
    assert_eq!(read_all(&mut log, Zxid::ZERO), all);
}

#[test]
fn truncation_reaches_over_segments_and_appends_go_on_behind_it() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=100), Zxid::new(1, 10)).unwrap();
    log.sync().unwrap();
    assert_eq!(
        log.truncate_after(Zxid::new(1, 20)).unwrap(),
        Zxid::new(1, 20)
    );
    // The same ids again: what was cut must not stand behind them.
    log.append(&entries(1, 21..=25), Zxid::new(1, 12)).unwrap();
    log.sync().unwrap();
    let mut disk = log.into_disk();
    lose_unsynced(&mut disk);
    let (mut log, recovered) = open(disk);
    assert_eq!((recovered.last, recovered.damage), (Zxid::new(1, 25), None));
    assert_eq!(read_all(&mut log, Zxid::ZERO), entries(1, 1..=25));
    assert_eq!(
        log.truncate_after(Zxid::new(9, 9)).unwrap(),
        Zxid::new(1, 25)
    );
    assert_eq!(log.truncate_after(Zxid::ZERO).unwrap(), Zxid::ZERO);
    assert_eq!(log.committed(), Zxid::ZERO);
}

#[test]
fn purging_keeps_what_is_behind_the_image() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=100), Zxid::new(1, 100)).unwrap();
    log.purge_below(Zxid::new(1, 50)).unwrap();
    assert!(log.base() > Zxid::ZERO && log.base() <= Zxid::new(1, 50));
    let below = log.replay_after(Zxid::ZERO).unwrap_err();
    assert!(matches!(below, LogError::BelowBase { .. }));
    assert!(matches!(
        log.truncate_after(Zxid::ZERO),
        Err(LogError::BelowBase { .. })
    ));
    let origin = Origin {
        base: Zxid::new(1, 50),
        durable: Zxid::new(1, 60),
        ..Origin::default()
    };
    let (mut log, recovered) = Log::open(log.into_disk(), SMALL, origin).unwrap();
    assert_eq!(
        (recovered.damage, recovered.last),
        (None, Zxid::new(1, 100))
    );
    assert_eq!(recovered.committed, Zxid::new(1, 100));
    assert_eq!(read_all(&mut log, Zxid::new(1, 50)), entries(1, 51..=100));
}

#[test]
fn a_purged_log_never_begins_behind_an_entry_that_was_cut() {
    // Whatever the length of the tail, also where the cut begins a segment, whose header tells the end
    // before the cut.
    for tail in 6..=60 {
        let (mut log, _) = open(MemoryDisk::new());
        log.append(&entries(1, 1..=tail), Zxid::ZERO).unwrap();
        log.sync().unwrap();
        log.truncate_after(Zxid::new(1, 5)).unwrap();
        log.append(&entries(2, 1..=60), Zxid::new(2, 60)).unwrap();
        log.purge_below(Zxid::new(2, 3)).unwrap();
        let begins = log.base();
        assert!(
            begins <= Zxid::new(1, 5) || begins >= Zxid::new(2, 1),
            "behind {begins}, of a tail up to 1.{tail}"
        );
        // A follower that has the tail still is told where to cut it.
        let floor = log.floor(Zxid::new(1, tail));
        assert!(matches!(floor, None | Some(Zxid { counter: ..=5, .. })));
        let whole = read_all(&mut log, begins);
        let mut all = [entries(1, 1..=5), entries(2, 1..=60)].concat();
        all.retain(|entry| entry.zxid > begins);
        assert!(whole == all, "behind {begins}, of a tail up to 1.{tail}");
        let origin = Origin {
            base: Zxid::new(2, 3),
            durable: Zxid::new(2, 60),
            ..Origin::default()
        };
        let (mut log, recovered) = Log::open(log.into_disk(), SMALL, origin).unwrap();
        assert_eq!((recovered.damage, log.base()), (None, begins));
        assert_eq!(read_all(&mut log, begins), whole);
    }
}

#[test]
fn reset_begins_behind_the_snapshot_before_and_after_the_crash() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=100), Zxid::new(1, 10)).unwrap();
    log.sync().unwrap();
    let base = Zxid::new(3, 7);
    let origin = Origin {
        discard_up_to: log.last_segment_number(),
        base,
        durable: base,
    };
    // The image has flipped, and the crash comes before the log hears of it.
    let (_, recovered) = Log::open(log.disk_mut().clone(), SMALL, origin).unwrap();
    assert_eq!((recovered.last, recovered.damage), (base, None));
    log.reset(base).unwrap();
    log.append(&[entry(3, 8)], base).unwrap();
    log.sync().unwrap();
    let mut disk = log.into_disk();
    lose_unsynced(&mut disk);
    let (mut log, recovered) = Log::open(disk, SMALL, origin).unwrap();
    assert_eq!((recovered.last, recovered.damage), (Zxid::new(3, 8), None));
    assert_eq!(read_all(&mut log, base), [entry(3, 8)]);
}

#[test]
fn a_missing_segment_is_damage_and_not_a_hole() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=100), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let mut disk = log.into_disk();
    disk.remove("log-0000000000000003").unwrap();
    let (mut log, recovered) = open(disk);
    assert!(matches!(recovered.damage, Some(Damage::BeginsLate { .. })));
    let kept = read_all(&mut log, Zxid::ZERO);
    assert!(kept.len() > 5, "the good beginning is kept");
    assert_eq!(kept, entries(1, 1..=kept.len() as u32));
}

#[test]
fn damage_is_remembered_until_it_is_cleared() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=100), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let mut disk = log.into_disk();
    disk.flip_bit("log-0000000000000002", 200, 3);
    let (log, recovered) = open(disk);
    let Some(damage @ Damage::Record { .. }) = recovered.damage else {
        panic!("{recovered:?}");
    };
    let (mut log, again) = open(log.into_disk());
    assert_eq!(again.damage, Some(Damage::Earlier(damage.to_string())));
    assert_eq!(again.last, recovered.last);
    let next = again.last.counter + 1;
    log.append(&entries(1, next..=120), Zxid::ZERO).unwrap();
    log.clear_damage().unwrap();
    let (mut log, recovered) = open(log.into_disk());
    assert_eq!(
        (recovered.damage, recovered.last),
        (None, Zxid::new(1, 120))
    );
    assert_eq!(read_all(&mut log, Zxid::ZERO), entries(1, 1..=120));
}

#[test]
fn an_image_ahead_of_the_log_is_damage() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=5), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let origin = Origin {
        durable: Zxid::new(1, 6),
        ..Origin::default()
    };
    let (_, recovered) = Log::open(log.into_disk(), SMALL, origin).unwrap();
    assert!(matches!(recovered.damage, Some(Damage::EndsEarly { .. })));
}

#[test]
fn an_image_without_any_log_is_damage() {
    let (log, _) = open(MemoryDisk::new());
    let mut disk = log.into_disk();
    for name in disk.list().unwrap() {
        if name.starts_with("log-") {
            disk.remove(&name).unwrap();
        }
    }
    let origin = Origin {
        base: Zxid::new(1, 6),
        durable: Zxid::new(1, 6),
        ..Origin::default()
    };
    let (_, recovered) = Log::open(disk, SMALL, origin).unwrap();
    assert!(matches!(recovered.damage, Some(Damage::NoLog { .. })));
}

#[test]
fn a_damaged_log_that_ends_below_the_image_goes_on_behind_the_image() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=100), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let mut disk = log.into_disk();
    disk.flip_bit("log-0000000000000002", 200, 3);
    let base = Zxid::new(1, 60);
    let origin = Origin {
        base,
        durable: base,
        ..Origin::default()
    };
    let (mut log, recovered) = Log::open(disk, SMALL, origin).unwrap();
    assert!(matches!(recovered.damage, Some(Damage::Record { .. })));
    assert_eq!((recovered.base, recovered.last), (base, base));
    assert_eq!(log.durable(), base);
    log.append(&entries(1, 61..=70), base).unwrap();
    log.sync().unwrap();
    let (mut log, recovered) = Log::open(log.into_disk(), SMALL, origin).unwrap();
    assert!(matches!(recovered.damage, Some(Damage::Earlier(_))));
    assert_eq!(read_all(&mut log, base), entries(1, 61..=70));
    log.clear_damage().unwrap();
    let (mut log, recovered) = Log::open(log.into_disk(), SMALL, origin).unwrap();
    assert_eq!((recovered.damage, recovered.last), (None, Zxid::new(1, 70)));
    assert_eq!(read_all(&mut log, base), entries(1, 61..=70));
}

#[test]
fn who_has_promised_an_epoch_and_has_neither_log_nor_image_is_no_fresh_server() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=5), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let epochs = Epochs {
        accepted: Epoch(1),
        current: Epoch(1),
    };
    log.write_epochs(epochs).unwrap();
    let origin = Origin {
        discard_up_to: log.last_segment_number(),
        base: Zxid::new(1, 9),
        durable: Zxid::new(1, 9),
    };
    // A snapshot has voided the log, and the disk is full when the next segment is to be made.
    let mut disk = log.into_disk();
    for name in disk.list().unwrap() {
        if name.starts_with("log-") {
            disk.remove(&name).unwrap();
        }
    }
    let (_, whole) = Log::open(disk.clone(), SMALL, origin).unwrap();
    assert_eq!((whole.last, whole.damage), (origin.base, None));
    // Then the image rots, and nothing speaks of it any more.
    let vanished = Some(Damage::Vanished { promised: Epoch(1) });
    let inspection = inspect(&mut disk, Origin::default(), &mut |_| {}).unwrap();
    assert_eq!(inspection.damage, vanished);
    let (log, recovered) = open(disk);
    assert_eq!((recovered.last, recovered.damage), (Zxid::ZERO, vanished));
    let again = open(log.into_disk()).1.damage;
    assert!(matches!(again, Some(Damage::Earlier(_))));
}

#[test]
fn epochs_survive_the_rot_of_either_copy_but_not_of_both() {
    let epochs = Epochs {
        accepted: Epoch(7),
        current: Epoch(5),
    };
    for copy in [0, 4096] {
        for byte in 0..40 {
            let (mut log, _) = open(MemoryDisk::new());
            log.write_epochs(Epochs::default()).unwrap();
            log.write_epochs(epochs).unwrap();
            let mut disk = log.into_disk();
            disk.flip_bit("epochs", copy + byte, (byte % 8) as u8);
            let (log, recovered) = open(disk);
            assert_eq!((recovered.epochs, log.epochs()), (epochs, epochs));
            let mut disk = log.into_disk();
            disk.flip_bit("epochs", byte, 1);
            disk.flip_bit("epochs", 4096 + byte, 1);
            let both = Log::open(disk, SMALL, Origin::default()).unwrap_err();
            assert_eq!(both, LogError::EpochsUnreadable);
        }
    }
}

#[test]
fn a_log_without_its_epochs_page_is_refused() {
    let (log, _) = open(MemoryDisk::new());
    let mut disk = log.into_disk();
    disk.remove("epochs").unwrap();
    let refused = Log::open(disk, SMALL, Origin::default()).unwrap_err();
    assert_eq!(refused, LogError::EpochsMissing);
}

#[test]
fn the_first_disk_error_stops_the_log_for_good() {
    for skip in 0..2 {
        let (mut log, _) = open(MemoryDisk::new());
        log.append(&[entry(1, 1)], Zxid::ZERO).unwrap();
        log.disk_mut()
            .fail_after(skip, DiskError::Io("EIO".to_owned()));
        assert!(matches!(log.sync(), Err(LogError::Disk { .. })));
        assert_eq!(log.sync(), Err(LogError::Poisoned));
        assert_eq!(
            log.append(&[entry(1, 2)], Zxid::ZERO),
            Err(LogError::Poisoned)
        );
        assert_eq!(log.truncate_after(Zxid::ZERO), Err(LogError::Poisoned));
        assert_eq!(log.write_epochs(Epochs::default()), Err(LogError::Poisoned));
        assert_eq!(log.durable(), Zxid::ZERO);
    }
}

#[test]
fn a_full_disk_stops_the_log_and_loses_nothing_synced() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&[entry(1, 1)], Zxid::ZERO).unwrap();
    log.sync().unwrap();
    // The next changing calls are the write and the sync of this segment, then the new one.
    log.disk_mut()
        .fail_after(2, DiskError::NoSpace("log-2".to_owned()));
    let full = log.append(&entries(1, 2..=40), Zxid::ZERO).unwrap_err();
    let LogError::Disk { error, .. } = full else {
        panic!("{full}");
    };
    assert_eq!(error, DiskError::NoSpace("log-2".to_owned()));
    let (mut log, recovered) = open(log.into_disk());
    assert_eq!(recovered.damage, None);
    assert_eq!(read_all(&mut log, Zxid::ZERO)[..1], [entry(1, 1)]);
}

/// The kernel takes pages that a failed sync has lost for clean: a restart that only syncs again
/// would acknowledge what is not on the disk.
#[test]
fn what_a_failed_sync_has_lost_is_written_again_at_the_next_start() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=3), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    log.append(&entries(1, 4..=6), Zxid::ZERO).unwrap();
    log.disk_mut()
        .fail_after(1, DiskError::Io("EIO".to_owned()));
    log.sync().unwrap_err();
    let mut disk = log.into_disk();
    disk.kill_process();
    let (log, recovered) = open(disk);
    assert_eq!(recovered.last, Zxid::new(1, 6));
    let mut disk = log.into_disk();
    lose_unsynced(&mut disk);
    let (mut log, recovered) = open(disk);
    assert_eq!((recovered.last, recovered.damage), (Zxid::new(1, 6), None));
    assert_eq!(read_all(&mut log, Zxid::ZERO), entries(1, 1..=6));
}

/// The page with the first of two unsynced entries is lost, the page with the second is not; then
/// the log grows up to exactly where the second one stands.
#[test]
fn what_is_left_of_a_torn_tail_never_becomes_part_of_the_log() {
    let config = Config {
        segment_bytes: 16 << 10,
    };
    let sized = |counter, bytes| Entry {
        zxid: Zxid::new(1, counter),
        payload: Bytes::from(vec![counter as u8; bytes]),
    };
    let (mut log, _) = Log::open(MemoryDisk::new(), config, Origin::default()).unwrap();
    log.append(&[sized(1, 5000), sized(2, 100)], Zxid::ZERO)
        .unwrap();
    log.disk_mut().power_off_after(1);
    log.sync().unwrap_err();
    let mut disk = log.into_disk();
    // Page by page: some; lose the first; keep the second, whole.
    let mut dice = [2, 1, 0, 1].into_iter();
    disk.crash(&mut || dice.next().unwrap());
    let (mut log, recovered) = Log::open(disk, config, Origin::default()).unwrap();
    assert!(recovered.torn_bytes > 5000, "{recovered:?}");
    let first = sized(1, 5000 - 32);
    log.append(std::slice::from_ref(&first), Zxid::ZERO)
        .unwrap();
    log.sync().unwrap();
    let (mut log, recovered) = Log::open(log.into_disk(), config, Origin::default()).unwrap();
    assert_eq!((recovered.last, recovered.damage), (Zxid::new(1, 1), None));
    assert_eq!(read_all(&mut log, Zxid::ZERO), [first]);
}

#[test]
fn a_slice_continues_what_it_was_asked_for_until_the_durable_end() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=60), Zxid::ZERO).unwrap();
    log.append(&entries(3, 1..=60), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    log.append(&entries(3, 61..=62), Zxid::ZERO).unwrap();
    let mut after = Zxid::ZERO;
    let mut all = Vec::new();
    loop {
        let slice = log.read_after(after, 100).unwrap();
        let LogSlice::Entries {
            after: floor,
            entries,
            is_end,
        } = slice
        else {
            panic!("nothing was purged: {slice:?}");
        };
        assert_eq!(floor, after);
        after = entries.last().unwrap().zxid;
        all.extend(entries);
        if is_end {
            break;
        }
    }
    assert_eq!(all, [entries(1, 1..=60), entries(3, 1..=60)].concat());
    let beyond = log.read_after(Zxid::new(3, 60), 100).unwrap();
    assert!(
        matches!(&beyond, LogSlice::Entries { entries, is_end: true, .. } if entries.is_empty()),
        "{beyond:?}"
    );
}

#[test]
fn a_slice_says_what_it_follows_if_the_log_has_another_history_or_begins_later() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=40), Zxid::ZERO).unwrap();
    log.append(&entries(4, 1..=40), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    assert_eq!(log.floor(Zxid::new(2, 7)), Some(Zxid::new(1, 40)));
    let slice = log.read_after(Zxid::new(2, 7), 1).unwrap();
    let expected = LogSlice::Entries {
        after: Zxid::new(1, 40),
        entries: entries(4, 1..=1),
        is_end: false,
    };
    assert_eq!(slice, expected);
    log.purge_below(Zxid::new(1, 35)).unwrap();
    let base = log.base();
    assert!(base > Zxid::ZERO && base <= Zxid::new(1, 35));
    assert_eq!(log.floor(Zxid::new(1, 1)), None);
    let gone = log.read_after(Zxid::new(1, 1), 1).unwrap();
    assert_eq!(gone, LogSlice::Gone { base });
    // At the base itself the log is whole.
    assert!(matches!(
        log.read_after(base, 1).unwrap(),
        LogSlice::Entries { after, .. } if after == base
    ));
}

#[test]
fn a_slice_from_the_middle_reads_little_of_a_large_log_and_knows_what_is_behind() {
    let config = Config {
        segment_bytes: 8 << 20,
    };
    let (mut log, _) = Log::open(MemoryDisk::new(), config, Origin::default()).unwrap();
    let big = |counter| Entry {
        zxid: Zxid::new(1, counter),
        payload: Bytes::from(vec![counter as u8; 10_000]),
    };
    let all: Vec<Entry> = (1..=2000).map(big).collect();
    log.append(&all, Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let whole = log.bytes_behind(Zxid::ZERO);
    for counter in [1, 500, 1000, 1999] {
        let slice = log.read_after(Zxid::new(1, counter), 30_000).unwrap();
        let LogSlice::Entries { entries, .. } = slice else {
            panic!("nothing was purged");
        };
        assert_eq!(entries[0], all[counter as usize]);
        let behind = log.bytes_behind(Zxid::new(1, counter));
        let exact = u64::from(2000 - counter) * 10_032;
        assert!(
            behind >= exact && behind < exact + (512 << 10),
            "{behind} for {exact} of {whole}"
        );
    }
    // What was cut and written anew is read as it is now, also when found by the index.
    log.truncate_after(Zxid::new(1, 700)).unwrap();
    log.append(&entries(2, 1..=3), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    let slice = log.read_after(Zxid::new(1, 700), 1 << 20).unwrap();
    let expected = LogSlice::Entries {
        after: Zxid::new(1, 700),
        entries: entries(2, 1..=3),
        is_end: true,
    };
    assert_eq!(slice, expected);
    let (mut again, _) = Log::open(log.into_disk(), config, Origin::default()).unwrap();
    assert_eq!(
        again.read_after(Zxid::new(1, 700), 1 << 20).unwrap(),
        expected
    );
}

#[test]
fn a_segment_that_was_cut_short_is_damage_wherever_it_ends() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=9), Zxid::ZERO).unwrap();
    log.write_epochs(Epochs {
        accepted: Epoch(1),
        current: Epoch(1),
    })
    .unwrap();
    log.seal().unwrap();
    let mut disk = log.into_disk();
    let name = "log-0000000000000001";
    let whole = disk.len(name).unwrap();
    for length in 0..whole {
        let mut cut = disk.clone();
        cut.cut_short(name, length);
        let (mut log, recovered) = open(cut);
        let damage = recovered.damage.unwrap();
        // Without its header it looks like one that never came to be; the epochs know better.
        let is_expected = match damage {
            Damage::Record { .. } => length >= 64,
            Damage::Vanished { .. } => length < 64,
            _ => false,
        };
        assert!(is_expected, "{damage:?} of a file of {length} bytes");
        assert!(entries(1, 1..=9).starts_with(&read_all(&mut log, Zxid::ZERO)));
    }
    assert_eq!(open(disk).1.damage, None);
}

#[test]
fn an_inspection_shows_every_record_and_changes_nothing() {
    let (mut log, _) = open(MemoryDisk::new());
    log.append(&entries(1, 1..=30), Zxid::new(1, 9)).unwrap();
    log.sync().unwrap();
    log.truncate_after(Zxid::new(1, 20)).unwrap();
    log.append(&entries(2, 1..=5), Zxid::new(1, 20)).unwrap();
    log.seal().unwrap();
    let mut disk = log.into_disk();
    let (calls, before) = (disk.calls(), disk.fingerprint());
    let (mut live, mut void, mut marks, mut cuts) = (Vec::new(), 0, 0, 0);
    let inspection = inspect(
        &mut disk,
        Origin::default(),
        &mut |place| match place.found {
            RecordFound::Entry {
                zxid,
                payload,
                is_void: false,
            } => live.push(Entry { zxid, payload }),
            RecordFound::Entry { .. } => void += 1,
            RecordFound::Mark { .. } => marks += 1,
            RecordFound::Cut { .. } => cuts += 1,
        },
    )
    .unwrap();
    assert_eq!((disk.calls(), disk.fingerprint()), (calls, before));
    assert_eq!(live, [entries(1, 1..=20), entries(2, 1..=5)].concat());
    assert_eq!((void, cuts), (10, 1));
    assert!(marks >= 3);
    assert_eq!(inspection.last, Zxid::new(2, 5));
    assert_eq!(inspection.committed, Zxid::new(1, 20));
    assert!(inspection.segments.iter().all(|it| it.part.is_some()));
    assert_eq!((&inspection.damage, &inspection.note), (&None, &None));
    // Damage is what the next start will find.
    disk.flip_bit("log-0000000000000002", 200, 1);
    let damage = inspect(&mut disk, Origin::default(), &mut |_| {})
        .unwrap()
        .damage;
    assert!(matches!(damage, Some(Damage::Record { .. })), "{damage:?}");
    assert_eq!(open(disk).1.damage, damage);
}
