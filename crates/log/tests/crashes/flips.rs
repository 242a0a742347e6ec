//! Every single bit of a synced log flipped: what was acknowledged is there, or damage is reported.

use bytes::Bytes;
use zareba_log::{Config, Disk, Epochs, Log, MemoryDisk, Origin};
use zareba_model::{Entry, Epoch, Zxid};

use crate::model::read_all;
use crate::option;
use crate::random::Random;

/// The logs of the full run have 1 MiB together. One log of that size would be read from its
/// beginning for each of its bits, and no flip reaches further than its own log.
const LOGS: u64 = 16;
const LOG_BYTES: u64 = 64 << 10;

/// Bits looked at without the option: one in so many.
const SAMPLE: u64 = 397;

/// A log that was worked with, and what it holds.
struct Specimen {
    disk: MemoryDisk,
    config: Config,
    entries: Vec<Entry>,
    /// How many of them are not of the last batch.
    before_last_batch: usize,
}

/// What became of the flips.
#[derive(Debug, Default)]
struct Count {
    flips: u64,
    reported: u64,
    harmless: u64,
    lost_silently: u64,
}

impl Specimen {
    /// Batches of entries of all sizes, each synced, and truncations in between. A sealed one has
    /// its last mark on the disk; of any other the power was cut right behind the last sync.
    fn make(seed: u64, bytes: u64, is_sealed: bool) -> Self {
        let config = Config {
            segment_bytes: 8 << 10,
        };
        let mut random = Random(seed);
        let (mut log, _) = Log::open(MemoryDisk::new(), config, Origin::default()).unwrap();
        let mut entries: Vec<Entry> = Vec::new();
        let mut before_last_batch = 0;
        let mut epoch = 1;
        while log.last_segment_number() * config.segment_bytes < bytes || entries.is_empty() {
            if random.below(12) == 0 && entries.len() > 5 {
                entries.truncate(entries.len() - random.below(5) as usize);
                log.truncate_after(entries.last().unwrap().zxid).unwrap();
                epoch += 1;
            }
            before_last_batch = entries.len();
            for _ in 0..1 + random.below(3) {
                let last = entries.last().map_or(Zxid::ZERO, |entry| entry.zxid);
                let next = Zxid::new(
                    epoch,
                    if last.epoch.0 == epoch {
                        last.counter + 1
                    } else {
                        1
                    },
                );
                let size = [10, 100, 1000][random.below(3) as usize] + random.below(50);
                let payload = vec![random.next() as u8; size as usize];
                let payload = Bytes::from(payload);
                entries.push(Entry {
                    zxid: next,
                    payload,
                });
            }
            log.append(&entries[before_last_batch..], Zxid::ZERO)
                .unwrap();
            log.sync().unwrap();
        }
        if is_sealed {
            log.seal().unwrap();
        }
        let mut disk = log.into_disk();
        disk.crash_by(&mut |_| zareba_log::Fate::Lost);
        Self {
            disk,
            config,
            entries,
            before_last_batch,
        }
    }

    /// Flips one bit of a file and recovers.
    fn flip(&self, name: &str, bit: u64, count: &mut Count) {
        let mut disk = self.disk.clone();
        disk.flip_bit(name, bit / 8, (bit % 8) as u8);
        let place = || format!("bit {bit} of {name}");
        let opened = Log::open(disk, self.config, Origin::default());
        let (mut log, recovered) = opened.unwrap_or_else(|error| panic!("{}: {error}", place()));
        let found = read_all(&mut log, Zxid::ZERO);
        count.flips += 1;
        if recovered.damage.is_some() {
            count.reported += 1;
            // What is left is still a log without a hole.
            let mut last = recovered.base;
            for entry in &found {
                assert!(entry.zxid.follows(last), "{}", place());
                last = entry.zxid;
            }
        } else if found == self.entries {
            count.harmless += 1;
        } else {
            count.lost_silently += 1;
            let kept = &self.entries[..found.len().min(self.entries.len())];
            assert_eq!(found, kept, "{}: not what was written", place());
            let is_of_last_batch = found.len() >= self.before_last_batch;
            assert!(is_of_last_batch, "{}: more than a batch is lost", place());
        }
    }

    fn segments(&mut self) -> Vec<(String, u64)> {
        let names = self.disk.list().unwrap();
        let names = names.into_iter().filter(|name| name.starts_with("log-"));
        names
            .map(|name| {
                let bits = self.disk.len(&name).unwrap() * 8;
                (name, bits)
            })
            .collect()
    }
}

/// `ZAREBA_CRASH_FLIPS=1` makes it the full run: all bits.
#[test]
fn a_flipped_bit_of_a_synced_log_is_harmless_or_reported_and_never_a_silent_loss() {
    let step = match option("ZAREBA_CRASH_FLIPS") {
        None | Some(0) => SAMPLE,
        Some(step) => step,
    };
    let mut count = Count::default();
    for seed in 0..LOGS {
        let mut specimen = Specimen::make(seed, LOG_BYTES, true);
        for (name, bits) in specimen.segments() {
            for bit in (seed % step..bits).step_by(step as usize) {
                specimen.flip(&name, bit, &mut count);
            }
        }
    }
    println!("flips of logs with a durable last mark: {count:?}");
    assert_eq!(count.lost_silently, 0);
    assert!(count.reported * 2 > count.flips, "{count:?}");
}

#[test]
fn without_the_last_mark_a_flip_can_cost_the_last_batch_in_silence_and_nothing_else() {
    let mut specimen = Specimen::make(3, 16 << 10, false);
    let mut count = Count::default();
    let (name, bits) = specimen.segments().pop().unwrap();
    for bit in 0..bits {
        specimen.flip(&name, bit, &mut count);
    }
    // The gap that the crate's page names: Log::seal closes it, as the test above shows.
    println!("the gap, flips of the last segment with its last mark lost: {count:?}");
    assert!(count.lost_silently > 0);
}

#[test]
fn no_flipped_bit_of_the_epochs_page_changes_a_promise() {
    let config = Config { segment_bytes: 512 };
    let (mut log, _) = Log::open(MemoryDisk::new(), config, Origin::default()).unwrap();
    let epochs = Epochs {
        accepted: Epoch(7),
        current: Epoch(6),
    };
    log.write_epochs(epochs).unwrap();
    let mut disk = log.into_disk();
    for bit in 0..disk.len("epochs").unwrap() * 8 {
        let mut flipped = disk.clone();
        flipped.flip_bit("epochs", bit / 8, (bit % 8) as u8);
        let (_, recovered) = Log::open(flipped, config, Origin::default()).unwrap();
        assert_eq!(recovered.epochs, epochs, "bit {bit}");
        assert_eq!(recovered.damage, None, "bit {bit}");
    }
}

#[test]
fn a_flip_anywhere_in_a_large_log_is_found_too() {
    let mut specimen = Specimen::make(99, 1 << 20, true);
    let mut random = Random(5);
    let mut count = Count::default();
    let segments = specimen.segments();
    for _ in 0..100 {
        let (name, bits) = &segments[random.below(segments.len() as u64) as usize];
        specimen.flip(name, random.below(*bits), &mut count);
    }
    assert_eq!((count.flips, count.lost_silently), (100, 0));
}
