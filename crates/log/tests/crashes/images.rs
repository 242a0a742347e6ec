//! Recorded work, the power cut behind every call of the disk, and what each subset of the changes
//! that were not synced would leave: every such image must be recovered from.
//!
//! An image that is counted is one disk, names and bytes; two disks that are equal count once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use zareba_log::{Config, Disk, DiskError, Fate, Log, MemoryDisk, Unsynced};

use crate::model::{Model, read_all};
use crate::option;
use crate::random::Random;

/// A disk that keeps a copy of itself as it is after every changing call. What a cut in the middle
/// of a call leaves is among what a cut before it leaves, and what a cut behind it does.
#[derive(Debug, Default)]
struct Filmed {
    disk: MemoryDisk,
    frames: Vec<MemoryDisk>,
}

impl Filmed {
    fn film<T>(&mut self, result: Result<T, DiskError>) -> Result<T, DiskError> {
        self.frames.push(self.disk.clone());
        result
    }
}

impl Disk for Filmed {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.disk.list()
    }
    fn len(&mut self, name: &str) -> Result<u64, DiskError> {
        self.disk.len(name)
    }
    fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError> {
        self.disk.read(name, offset, length)
    }
    fn create(&mut self, name: &str, length: u64) -> Result<(), DiskError> {
        let result = self.disk.create(name, length);
        self.film(result)
    }
    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let result = self.disk.write_at(name, offset, bytes);
        self.film(result)
    }
    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        let result = self.disk.sync(name);
        self.film(result)
    }
    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        let result = self.disk.remove(name);
        self.film(result)
    }
    fn sync_directory(&mut self) -> Result<(), DiskError> {
        let result = self.disk.sync_directory();
        self.film(result)
    }
}

/// What was counted.
#[derive(Debug, Default)]
struct Count {
    workloads: u64,
    cuts: u64,
    recovered: u64,
    /// The fingerprints of all images.
    images: Vec<u64>,
}

impl Count {
    fn distinct(&mut self) -> usize {
        self.images.sort_unstable();
        self.images.dedup();
        self.images.len()
    }
}

/// One recorded workload and its cuts.
struct Workload<'a> {
    seed: u64,
    config: Config,
    random: Random,
    model: Model,
    film: Rc<RefCell<Filmed>>,
    /// Images that were recovered from already while the same was expected of them.
    seen: BTreeSet<u64>,
    count: &'a mut Count,
}

/// Changes that are not synced are combined in every way up to so many.
const ALL_SUBSETS_UP_TO: usize = 7;

/// Of more, so many subsets are drawn.
const SUBSETS_DRAWN: u64 = 48;

impl Workload<'_> {
    fn run(seed: u64, count: &mut Count) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9) + 1);
        let sizes = [
            (4 << 10, 300),
            (12 << 10, 900),
            (12 << 10, 4000),
            (40 << 10, 7000),
        ];
        let (segment_bytes, payload_bytes_max) = sizes[random.below(4) as usize];
        let mut model = Model::new();
        model.payload_bytes_max = payload_bytes_max;
        count.workloads += 1;
        let mut workload = Workload {
            seed,
            config: Config { segment_bytes },
            random,
            model,
            film: Rc::default(),
            seen: BTreeSet::new(),
            count,
        };
        for life in 0..3 {
            workload.live(life);
            let Workload { film, random, .. } = &mut workload;
            film.borrow_mut().disk.crash(&mut || random.next());
        }
    }

    /// From one start to the next crash.
    fn live(&mut self, life: u64) {
        let opened = Log::open(self.film.clone(), self.config, self.model.origin);
        let (mut log, recovered) = opened.unwrap();
        self.cut_everywhere(&format!("seed {}, opening {life}", self.seed));
        let trace = format!("seed {}, life {life}", self.seed);
        self.model.check(&mut log, &recovered, &trace);
        for _ in 0..12 + self.random.below(8) {
            let work = self.model.begin(&log, &mut self.random);
            self.seen.clear();
            work.run(&mut log).unwrap();
            self.cut_everywhere(&trace);
            self.model.done(&work, &log);
            self.seen.clear();
        }
    }

    /// Looks at every frame filmed since the last time.
    fn cut_everywhere(&mut self, trace: &str) {
        let frames = std::mem::take(&mut self.film.borrow_mut().frames);
        for frame in &frames {
            self.count.cuts += 1;
            let unsynced = frame.unsynced();
            self.subsets(frame, &unsynced, trace);
            self.torn_pages(frame, &unsynced, trace);
        }
    }

    fn subsets(&mut self, frame: &MemoryDisk, unsynced: &[Unsynced], trace: &str) {
        let items = unsynced.len();
        let kept = |subset: u64| {
            move |index: usize| match index < 64 && subset >> index & 1 == 1 {
                true => Fate::Kept,
                false => Fate::Lost,
            }
        };
        if items <= ALL_SUBSETS_UP_TO {
            for subset in 0..1_u64 << items {
                self.image(frame, unsynced, &kept(subset), trace);
            }
            return;
        }
        assert!(items <= 64, "{trace}: {items} changes in one cut");
        let all = u64::MAX;
        let single = (0..items).flat_map(|index| [1 << index, all ^ (1 << index)]);
        let mut drawn: Vec<u64> = [0, all].into_iter().chain(single).collect();
        drawn.extend((0..SUBSETS_DRAWN).map(|_| self.random.next()));
        for subset in drawn {
            self.image(frame, unsynced, &kept(subset), trace);
        }
    }

    /// One page torn at a sector or a byte, and all other changes kept, or all lost.
    fn torn_pages(&mut self, frame: &MemoryDisk, unsynced: &[Unsynced], trace: &str) {
        for (torn, item) in unsynced.iter().enumerate() {
            if !matches!(item, Unsynced::Page(..)) {
                continue;
            }
            let sectors = (1..8).flat_map(|count| [0xff >> count, 0xff << count]);
            let cuts = (0..3).map(|_| Fate::Cut(self.random.below(4096) as u16));
            let fates: Vec<Fate> = sectors
                .map(|mask: i32| Fate::Torn(mask as u8))
                .chain(cuts)
                .collect();
            for fate in fates {
                for others in [Fate::Kept, Fate::Lost] {
                    let choose = |index: usize| if index == torn { fate } else { others };
                    self.image(frame, unsynced, &choose, trace);
                }
            }
        }
    }

    /// Makes one image and recovers from it, twice.
    fn image(
        &mut self,
        frame: &MemoryDisk,
        unsynced: &[Unsynced],
        choose: &dyn Fn(usize) -> Fate,
        trace: &str,
    ) {
        let mut image = frame.clone();
        image.crash_by(&mut |item| {
            // A file whose name was lost is gone, so not all items are asked for.
            let index = unsynced.iter().position(|known| known == item);
            index.map_or(Fate::Kept, choose)
        });
        let fingerprint = image.fingerprint();
        if !self.seen.insert(fingerprint) {
            return;
        }
        self.count.images.push(fingerprint);
        self.count.recovered += 1;
        let mut model = self.model.clone();
        let first = Log::open(image, self.config, model.origin);
        let (mut log, recovered) = first.unwrap_or_else(|error| panic!("{trace}: {error}"));
        model.check(&mut log, &recovered, trace);
        let entries = std::mem::take(&mut model.entries);
        // Twice is once, also if the second start follows another power cut.
        let mut disk = log.into_disk();
        if fingerprint.is_multiple_of(2) {
            disk.crash_by(&mut |_| Fate::Lost);
        }
        let (mut log, again) = Log::open(disk, self.config, model.origin).unwrap();
        assert_eq!(again.torn_bytes, 0, "{trace}");
        let expected = zareba_log::Recovered {
            torn_bytes: 0,
            ..recovered
        };
        assert_eq!(again, expected, "{trace}");
        assert_eq!(read_all(&mut log, model.origin.base), entries, "{trace}");
    }
}

/// `ZAREBA_CRASH_WORKLOADS` makes it the full run, `ZAREBA_CRASH_START` chooses the first one.
#[test]
fn every_image_a_power_cut_can_leave_is_recovered_from() {
    let workloads = option("ZAREBA_CRASH_WORKLOADS").unwrap_or(24);
    let start = option("ZAREBA_CRASH_START").unwrap_or(0);
    let mut count = Count::default();
    for seed in start..start + workloads {
        Workload::run(seed, &mut count);
    }
    let distinct = count.distinct();
    println!(
        "crash images: {} workloads, {} cuts, {} recoveries twice over, {distinct} distinct images",
        count.workloads, count.cuts, count.recovered
    );
    assert!(distinct as u64 > 100 * workloads, "{distinct} images");
}
