//! Every call that the log makes of a disk, failing once: the log stops, nothing is acknowledged, and
//! what was acknowledged before is there at the next start.

#![expect(
    clippy::unwrap_used,
    reason = "tests fail by panicking, their helpers too"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use zareba_log::faulty_disk::Effect;
use zareba_log::{
    Config, DiskCall, DiskError, Epochs, Fate, Fault, FaultyDisk, Log, LogError, MemoryDisk, Origin,
};
use zareba_model::{Entry, Epoch, Zxid};

const CONFIG: Config = Config {
    segment_bytes: 1024,
};

type Shared = Rc<RefCell<FaultyDisk<MemoryDisk>>>;

fn entries(counters: std::ops::RangeInclusive<u32>) -> Vec<Entry> {
    let entry = |counter| Entry {
        zxid: Zxid::new(1, counter),
        payload: Bytes::from(vec![counter as u8; 60]),
    };
    counters.map(entry).collect()
}

/// Entries that every disk below has acknowledged.
const ACKNOWLEDGED: u32 = 40;

/// A disk with a log over several segments.
fn whole() -> MemoryDisk {
    let (mut log, _) = Log::open(MemoryDisk::new(), CONFIG, Origin::default()).unwrap();
    log.append(&entries(1..=ACKNOWLEDGED), Zxid::ZERO).unwrap();
    log.sync().unwrap();
    log.into_disk()
}

/// The same with a batch that was never synced behind it, half of which has reached the disk.
fn torn() -> MemoryDisk {
    let (mut log, _) = Log::open(whole(), CONFIG, Origin::default()).unwrap();
    log.append(&entries(41..=43), Zxid::ZERO).unwrap();
    log.disk_mut().power_off_after(1);
    assert!(log.sync().is_err());
    let mut disk = log.into_disk();
    disk.crash_by(&mut |_| Fate::Cut(800));
    disk
}

/// The same with a bit flipped in what was acknowledged.
fn damaged() -> MemoryDisk {
    let mut disk = whole();
    disk.flip_bit("log-0000000000000002", 300, 3);
    disk
}

/// What the log is asked to do.
type Work = fn(&mut Log<Shared>) -> Result<(), LogError>;

/// Makes the disk to begin with.
type Make = fn() -> MemoryDisk;

/// A disk, and work on it; without work it is the opening that fails.
const SCENARIOS: [(&str, Make, Option<Work>); 12] = [
    ("open a new disk", MemoryDisk::new, None),
    ("open a whole log", whole, None),
    ("open a torn log", torn, None),
    ("open a damaged log", damaged, None),
    ("append until it rolls, and sync", whole, Some(append)),
    ("sync and seal", whole, Some(seal)),
    (
        "truncate",
        whole,
        Some(|log| {
            log.truncate_after(Zxid::new(1, ACKNOWLEDGED)).map(drop)?;
            append(log)?;
            log.truncate_after(Zxid::new(1, ACKNOWLEDGED)).map(drop)
        }),
    ),
    (
        "purge",
        whole,
        Some(|log| log.purge_below(Zxid::new(1, 30))),
    ),
    ("reset", whole, Some(|log| log.reset(SNAPSHOT))),
    (
        "write epochs",
        whole,
        Some(|log| {
            log.write_epochs(Epochs {
                accepted: Epoch(3),
                current: Epoch(2),
            })
        }),
    ),
    ("forget damage", damaged, Some(Log::clear_damage)),
    (
        "read back",
        whole,
        Some(|log| log.read_after(log.base(), usize::MAX).map(drop)),
    ),
];

/// Where the snapshot begins that replaces a log.
const SNAPSHOT: Zxid = Zxid {
    epoch: Epoch(2),
    counter: 77,
};

/// The newest segment of the whole log, once it is open.
fn last_segment() -> u64 {
    let (log, _) = Log::open(whole(), CONFIG, Origin::default()).unwrap();
    log.last_segment_number()
}

fn append(log: &mut Log<Shared>) -> Result<(), LogError> {
    let last = log.last().counter;
    log.append(&entries(last + 1..=last + 30), Zxid::ZERO)?;
    log.sync()
}

fn seal(log: &mut Log<Shared>) -> Result<(), LogError> {
    let last = log.last().counter;
    log.append(&entries(last + 1..=last + 1), Zxid::ZERO)?;
    log.seal()
}

/// Runs a scenario with a fault; returns the disk and what became of the work.
fn run(
    disk: MemoryDisk,
    work: Option<Work>,
    fault: Option<Fault>,
) -> (Shared, Result<(), LogError>, Option<Log<Shared>>) {
    let shared: Shared = Rc::new(RefCell::new(FaultyDisk::new(disk, [])));
    let begin = |shared: &Shared| {
        let recorded = std::mem::replace(
            &mut *shared.borrow_mut(),
            FaultyDisk::new(MemoryDisk::new(), []),
        );
        let faulty = FaultyDisk::new(recorded.into_inner(), fault.clone()).recording();
        *shared.borrow_mut() = faulty;
    };
    let Some(work) = work else {
        begin(&shared);
        return match Log::open(shared.clone(), CONFIG, Origin::default()) {
            Ok((log, _)) => (shared, Ok(()), Some(log)),
            Err(error) => (shared, Err(error), None),
        };
    };
    let (mut log, _) = Log::open(shared.clone(), CONFIG, Origin::default()).unwrap();
    begin(&shared);
    let result = work(&mut log);
    (shared, result, Some(log))
}

/// Starts from what the fault has left, after a power cut that keeps all or nothing unsynced.
fn restart(shared: &Shared, fate: Fate, origin: Origin) -> u32 {
    let faulty = shared.borrow().clone();
    let mut disk = faulty.into_inner();
    disk.crash_by(&mut |_| fate);
    let (log, _) = Log::open(disk, CONFIG, origin).unwrap();
    log.last().counter
}

#[test]
fn every_call_of_the_disk_may_fail_and_the_log_stops_without_a_loss() {
    let mut sites: BTreeMap<DiskCall, usize> = BTreeMap::new();
    for (name, make, work) in SCENARIOS {
        let (recorded, result, _) = run(make(), work, None);
        result.unwrap();
        let calls = recorded.borrow().calls().to_vec();
        for call in DiskCall::ALL {
            let count = calls.iter().filter(|it| **it == call).count();
            *sites.entry(call).or_default() += count;
            for (after, error) in (0..count as u64).flat_map(|after| {
                [
                    DiskError::NoSpace(String::new()),
                    DiskError::Io("it burns".to_owned()),
                ]
                .map(|it| (after, it))
            }) {
                let fault = Fault {
                    call,
                    file: None,
                    after,
                    once: true,
                    effect: Effect::Fail(error),
                };
                let trace = format!("{name}: {} number {after}", call.name());
                one_fault(make(), work, fault, &trace, name);
            }
        }
    }
    for (call, count) in &sites {
        assert!(*count > 0, "no scenario makes the call {}", call.name());
    }
    assert_eq!(sites.len(), DiskCall::ALL.len());
}

fn one_fault(disk: MemoryDisk, work: Option<Work>, fault: Fault, trace: &str, name: &str) {
    let (shared, result, log) = run(disk, work, Some(fault));
    assert_eq!(shared.borrow().struck(), 1, "{trace}");
    let error = result
        .err()
        .unwrap_or_else(|| panic!("{trace}: acknowledged"));
    assert!(matches!(error, LogError::Disk { .. }), "{trace}: {error}");
    if let Some(mut log) = log {
        // The disk is well again, and still nothing may be promised.
        assert_eq!(log.sync(), Err(LogError::Poisoned), "{trace}");
        let next = entries(log.last().counter + 1..=log.last().counter + 1);
        assert_eq!(
            log.append(&next, Zxid::ZERO),
            Err(LogError::Poisoned),
            "{trace}"
        );
        let epochs = log.write_epochs(Epochs::default());
        assert_eq!(epochs, Err(LogError::Poisoned), "{trace}");
    }
    // What takes the log's place is in the image before any of the log goes.
    let image = Zxid::new(1, 30);
    let origin = match name {
        "purge" => Origin {
            base: image,
            durable: image,
            discard_up_to: 0,
        },
        "reset" => Origin {
            base: SNAPSHOT,
            durable: SNAPSHOT,
            discard_up_to: last_segment(),
        },
        _ => Origin::default(),
    };
    for fate in [Fate::Kept, Fate::Lost] {
        let last = restart(&shared, fate, origin);
        if !name.contains("damage") && name != "open a new disk" {
            assert!(last >= ACKNOWLEDGED, "{trace}: the log ends at {last}");
        }
    }
}
