//! What a log must hold, told of every piece of work before and after it is done. Must never look
//! at a disk.

use zareba_log::{Disk, Epochs, Log, LogError, Origin, Recovered};
use zareba_model::{Entry, Epoch, Zxid};

use crate::random::Random;

/// What the log must hold, and what it may.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Entries as the log should have them, durable or not.
    pub(crate) entries: Vec<Entry>,
    /// How many of them are durable for certain.
    pub(crate) durable: usize,
    /// What there was before a truncation that has not returned.
    pub(crate) before_cut: Option<Vec<Entry>>,
    pub(crate) epochs: Vec<Epochs>,
    pub(crate) origin: Origin,
    /// How many payloads were made.
    pub(crate) payloads: u64,
    pub(crate) payload_bytes_max: u64,
}

/// One call of the log.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Append(Vec<Entry>),
    Sync,
    Seal,
    Truncate(Zxid),
    Purge(Zxid),
    Epochs(Epochs),
    Reset(Zxid),
    Nothing,
}

impl Work {
    /// Does it.
    pub(crate) fn run<D: Disk>(&self, log: &mut Log<D>) -> Result<(), LogError> {
        match self {
            Self::Append(batch) => log.append(batch, Zxid::ZERO),
            Self::Sync => log.sync(),
            Self::Seal => log.seal(),
            Self::Truncate(after) => log.truncate_after(*after).map(drop),
            Self::Purge(zxid) => log.purge_below(*zxid),
            Self::Epochs(epochs) => log.write_epochs(*epochs),
            Self::Reset(base) => log.reset(*base),
            Self::Nothing => Ok(()),
        }
    }
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            durable: 0,
            before_cut: None,
            epochs: vec![Epochs::default()],
            origin: Origin::default(),
            payloads: 0,
            payload_bytes_max: 900,
        }
    }

    pub(crate) fn last(&self) -> Zxid {
        self.entries
            .last()
            .map_or(self.origin.base, |entry| entry.zxid)
    }

    pub(crate) fn batch(&mut self, random: &mut Random) -> Vec<Entry> {
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
            let bytes = 8 + random.below(self.payload_bytes_max);
            payload.resize(bytes as usize, self.payloads as u8);
            batch.push(Entry {
                zxid: last,
                payload: payload.into(),
            });
        }
        batch
    }

    /// Chooses a piece of work, and expects from now on that it may or may not have been done.
    pub(crate) fn begin<D: Disk>(&mut self, log: &Log<D>, random: &mut Random) -> Work {
        match random.below(20) {
            0..=9 => {
                let batch = self.batch(random);
                self.entries.extend(batch.iter().cloned());
                Work::Append(batch)
            }
            10..=13 => Work::Sync,
            14 => Work::Seal,
            15..=16 => self.truncate(log, random),
            17 => self.purge(random),
            18 => {
                let epoch = Epoch(self.epochs[0].accepted.0 + 1);
                let epochs = Epochs {
                    accepted: epoch,
                    current: epoch,
                };
                self.epochs.push(epochs);
                Work::Epochs(epochs)
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
                Work::Reset(base)
            }
            _ => Work::Nothing,
        }
    }

    /// The work has returned: what it promises is certain now.
    pub(crate) fn done<D: Disk>(&mut self, work: &Work, log: &Log<D>) {
        match work {
            Work::Sync | Work::Seal | Work::Purge(_) => self.durable = self.entries.len(),
            Work::Truncate(_) => {
                self.before_cut = None;
                self.durable = self.entries.len();
            }
            Work::Epochs(epochs) => self.epochs = vec![*epochs],
            Work::Append(_) | Work::Reset(_) | Work::Nothing => {}
        }
        assert_eq!(log.last(), self.last());
    }

    /// Both at once, with the work in between; after an error the model still expects either.
    pub(crate) fn step<D: Disk>(
        &mut self,
        log: &mut Log<D>,
        random: &mut Random,
    ) -> Result<(), LogError> {
        let work = self.begin(log, random);
        work.run(log)?;
        self.done(&work, log);
        Ok(())
    }

    fn truncate<D: Disk>(&mut self, log: &Log<D>, random: &mut Random) -> Work {
        let keep = self.entries.len() - (random.below(30) as usize).min(self.entries.len());
        let keep = keep.max(self.purged(log));
        let after = match keep {
            0 => self.origin.base,
            _ => self.entries[keep - 1].zxid,
        };
        self.before_cut = Some(self.entries.clone());
        self.entries.truncate(keep);
        self.durable = self.durable.min(keep);
        Work::Truncate(after)
    }

    /// As a checkpoint does: the image moves to a durable entry, then the log below it goes.
    fn purge(&mut self, random: &mut Random) -> Work {
        if self.durable == 0 {
            return Work::Nothing;
        }
        let at = random.below(self.durable as u64) as usize;
        let zxid = self.entries[at].zxid;
        self.origin.base = self.origin.base.max(zxid);
        self.origin.durable = self.origin.durable.max(zxid);
        self.entries.drain(..=at);
        self.durable -= at + 1;
        Work::Purge(zxid)
    }

    /// How many of the entries must not be cut.
    pub(crate) fn purged<D: Disk>(&self, log: &Log<D>) -> usize {
        let base = log.base();
        self.entries
            .iter()
            .take_while(|entry| entry.zxid <= base)
            .count()
    }

    /// Compares what recovery has found, and goes on from there.
    pub(crate) fn check<D: Disk>(&mut self, log: &mut Log<D>, recovered: &Recovered, trace: &str) {
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

pub(crate) fn read_all<D: Disk>(log: &mut Log<D>, after: Zxid) -> Vec<Entry> {
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
