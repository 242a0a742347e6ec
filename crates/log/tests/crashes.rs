//! Random work with the power cut at every call of the disk, and every bit of a log flipped.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, their helpers too"
)]

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use zareba_log::{Config, Disk, Epochs, Log, LogError, MemoryDisk, Origin, Recovered};
use zareba_model::{Entry, Epoch, Zxid};

const SMALL: Config = Config {
    segment_bytes: 12 << 10,
};

type Shared = Rc<RefCell<MemoryDisk>>;

/// Sebastiano Vigna's splitmix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What the log must hold, and what it may.
#[derive(Clone, Debug)]
struct Model {
    /// Entries as the log should have them, durable or not.
    entries: Vec<Entry>,
    /// How many of them are durable for certain.
    durable: usize,
    /// What there was before a truncation that has not returned.
    before_cut: Option<Vec<Entry>>,
    epochs: Vec<Epochs>,
    origin: Origin,
    /// The image flips here if the reset under way gets so far.
    payloads: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            entries: Vec::new(),
            durable: 0,
            before_cut: None,
            epochs: vec![Epochs::default()],
            origin: Origin::default(),
            payloads: 0,
        }
    }

    fn last(&self) -> Zxid {
        self.entries
            .last()
            .map_or(self.origin.base, |entry| entry.zxid)
    }

    fn batch(&mut self, random: &mut Random) -> Vec<Entry> {
        let mut last = self.last();
        let count = 1 + random.below(8);
        let mut batch = Vec::new();
        for _ in 0..count {
            let next = match random.below(12) {
                0 => Zxid::new(last.epoch.0 + 1, 1),
                _ => last.next().unwrap(),
            };
            last = if next.follows(last) {
                next
            } else {
                Zxid::new(1, 1)
            };
            self.payloads += 1;
            // Every payload is another, so that what was cut is told from what came again.
            let mut payload = self.payloads.to_le_bytes().to_vec();
            payload.resize(8 + random.below(900) as usize, self.payloads as u8);
            batch.push(Entry {
                zxid: last,
                payload: payload.into(),
            });
        }
        batch
    }

    /// One piece of work; the model is told before and after, so that an error in between leaves
    /// both as possible.
    fn step(&mut self, log: &mut Log<Shared>, random: &mut Random) -> Result<(), LogError> {
        match random.below(20) {
            0..=9 => {
                let batch = self.batch(random);
                self.entries.extend(batch.iter().cloned());
                log.append(&batch, Zxid::ZERO)?;
            }
            10..=14 => {
                log.sync()?;
                self.durable = self.entries.len();
            }
            15..=16 => self.truncate(log, random)?,
            17 => self.purge(log, random)?,
            18 => {
                let epoch = Epoch(self.epochs[0].accepted.0 + 1);
                let epochs = Epochs {
                    accepted: epoch,
                    current: epoch,
                };
                self.epochs.push(epochs);
                log.write_epochs(epochs)?;
                self.epochs = vec![epochs];
            }
            _ if random.below(4) == 0 => {
                let last = self.last();
                let base = Zxid::new(last.epoch.0 + 1, 1 + random.below(9) as u32);
                self.origin = Origin {
                    discard_up_to: log.last_segment_number(),
                    base,
                    durable: base,
                };
                (self.entries, self.durable) = (Vec::new(), 0);
                log.reset(base)?;
            }
            _ => {}
        }
        assert_eq!(log.last(), self.last());
        Ok(())
    }

    fn truncate(&mut self, log: &mut Log<Shared>, random: &mut Random) -> Result<(), LogError> {
        let keep = self.entries.len() - (random.below(30) as usize).min(self.entries.len());
        let keep = keep.max(self.purged(log));
        let after = match keep {
            0 => self.origin.base,
            _ => self.entries[keep - 1].zxid,
        };
        let before = self.entries.clone();
        self.entries.truncate(keep);
        self.durable = self.durable.min(keep);
        self.before_cut = Some(before);
        assert_eq!(log.truncate_after(after)?, self.last());
        self.before_cut = None;
        self.durable = self.entries.len();
        Ok(())
    }

    /// As a checkpoint does: the image moves to a durable entry, then the log below it goes.
    fn purge(&mut self, log: &mut Log<Shared>, random: &mut Random) -> Result<(), LogError> {
        if self.durable == 0 {
            return Ok(());
        }
        let at = random.below(self.durable as u64) as usize;
        let zxid = self.entries[at].zxid;
        self.origin.base = self.origin.base.max(zxid);
        self.origin.durable = self.origin.durable.max(zxid);
        self.entries.drain(..=at);
        self.durable -= at + 1;
        log.purge_below(zxid)?;
        self.durable = self.entries.len();
        Ok(())
    }

    /// How many of the entries must not be cut.
    fn purged(&self, log: &Log<Shared>) -> usize {
        let base = log.base();
        self.entries
            .iter()
            .take_while(|entry| entry.zxid <= base)
            .count()
    }

    /// Compares what recovery has found, and goes on from there.
    fn check(&mut self, log: &mut Log<Shared>, recovered: &Recovered, trace: &str) {
        assert_eq!(recovered.damage, None, "{trace}");
        assert!(self.epochs.contains(&recovered.epochs), "{trace}");
        self.epochs = vec![recovered.epochs];
        let found = read_all(log, self.origin.base);
        let is_prefix = |whole: &[Entry]| whole.starts_with(&found);
        assert!(
            found.len() >= self.durable,
            "{trace}: lost synced entries: {recovered:?}"
        );
        let expected = is_prefix(&self.entries);
        let uncut = self.before_cut.as_deref().is_some_and(is_prefix);
        assert!(expected || uncut, "{trace}: not what was appended");
        self.before_cut = None;
        self.durable = found.len();
        self.entries = found;
    }
}

fn read_all<D: Disk>(log: &mut Log<D>, after: Zxid) -> Vec<Entry> {
    let mut replay = log.replay_after(after).unwrap();
    let mut all = Vec::new();
    loop {
        let some = log.read(&mut replay, 4000).unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

/// One life after the other on the same disk; each ends with a crash in the middle of a call, in
/// the opening too.
fn run(seed: u64, lives: u64) {
    let mut random = Random(seed);
    let mut model = Model::new();
    let disk: Shared = Rc::default();
    for life in 0..lives {
        let trace = format!("seed {seed}, life {life}");
        if random.below(8) > 0 {
            disk.borrow_mut().power_off_after(random.next() % 60);
        }
        match Log::open(disk.clone(), SMALL, model.origin) {
            Ok((mut log, recovered)) => {
                model.check_alive(&disk, &mut log, &recovered, &trace);
                for _ in 0..40 {
                    if let Err(error) = model.step(&mut log, &mut random) {
                        assert!(disk.borrow().is_powered_off(), "{trace}: {error}");
                        break;
                    }
                }
            }
            Err(error) => assert!(disk.borrow().is_powered_off(), "{trace}: {error}"),
        }
        if random.below(4) == 0 {
            disk.borrow_mut().kill_process();
        } else {
            disk.borrow_mut().crash(&mut || random.next());
        }
    }
}

impl Model {
    /// Opening has no effect that reading could undo, so the power may stay armed while it reads.
    fn check_alive(
        &mut self,
        disk: &Shared,
        log: &mut Log<Shared>,
        recovered: &Recovered,
        trace: &str,
    ) {
        assert!(!disk.borrow().is_powered_off(), "{trace}");
        self.check(log, recovered, trace);
    }
}

#[test]
fn what_was_synced_survives_and_what_was_cut_stays_away() {
    for seed in 0..400 {
        run(seed, 25);
    }
}

#[test]
fn the_power_may_go_at_every_single_call() {
    // The same work each time, cut one call later each time.
    for cut in 0..250 {
        let disk: Shared = Rc::default();
        let mut model = Model::new();
        let mut random = Random(7);
        disk.borrow_mut().power_off_after(cut);
        if let Ok((mut log, _)) = Log::open(disk.clone(), SMALL, model.origin) {
            while model.step(&mut log, &mut random).is_ok() && disk.borrow().calls() < 260 {}
        }
        let mut dice = Random(cut);
        for crash in 0..8 {
            let mut after = disk.borrow().clone();
            after.crash(&mut || dice.next());
            let after = Rc::new(RefCell::new(after));
            let (mut log, recovered) = Log::open(after, SMALL, model.origin).unwrap();
            let trace = format!("cut at call {cut}, crash {crash}");
            model.clone().check(&mut log, &recovered, &trace);
        }
    }
}

#[test]
fn no_flipped_bit_loses_a_marked_entry_in_silence() {
    let config = Config { segment_bytes: 512 };
    let (mut log, _) = Log::open(MemoryDisk::new(), config, Origin::default()).unwrap();
    let mut entries = Vec::new();
    for counter in 1..=20 {
        entries.push(Entry {
            zxid: Zxid::new(1, counter),
            payload: Bytes::from(vec![counter as u8; 21]),
        });
        log.append(&entries[counter as usize - 1..], Zxid::ZERO)
            .unwrap();
        log.sync().unwrap();
    }
    // A cut below the last mark is part of what must not be lost.
    log.truncate_after(Zxid::new(1, 17)).unwrap();
    entries.truncate(17);
    let mut disk = log.into_disk();
    let names = disk.list().unwrap();
    let (mut reported, mut harmless) = (0, 0);
    for name in names.iter().filter(|name| name.starts_with("log-")) {
        for bit in 0..disk.len(name).unwrap() * 8 {
            let mut flipped = disk.clone();
            flipped.flip_bit(name, bit / 8, (bit % 8) as u8);
            let place = format!("bit {bit} of {name}");
            let opened = Log::open(flipped, config, Origin::default());
            let (mut log, recovered) = opened.unwrap_or_else(|error| panic!("{place}: {error}"));
            let found = read_all(&mut log, Zxid::ZERO);
            if recovered.damage.is_some() {
                reported += 1;
                // What is left is still a beginning of what was there, before the cut perhaps.
                for (index, entry) in found.iter().enumerate() {
                    assert_eq!(entry.zxid, Zxid::new(1, index as u32 + 1), "{place}");
                }
            } else {
                harmless += 1;
                assert_eq!(found, entries, "{place}");
            }
        }
    }
    assert!(
        reported > 5000 && harmless > 100,
        "{reported} reported, {harmless} harmless"
    );
}
