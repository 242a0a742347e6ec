//! One simulated server's storage: the real log over a disk in memory, an image beside it, and a
//! queue of writes of which those that wait while one group is written go into the next.
//!
//! A power cut or the process's end strikes anywhere within a group. The first error of the disk stops
//! the server, as it does the real one. Must never know what a write means.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use zareba_log::{Damage, Epochs, Log, LogError, LogSlice};
use zareba_model::{Entry, Epoch, ServerId, Zxid};
use zareba_replica::recovery::{Recovered, RecoveredLog, Recovery, RecoveryError};
use zareba_replica::{ImageWrite, Input};
use zareba_zab::{LogRead, Persist, Token};

use crate::dice::Dice;
use crate::image::Image;
use crate::implants::{Planted, ShellBug};
use crate::medium::Medium;

/// One write.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Persist {
        token: Token,
        write: Persist,
    },
    Image(ImageWrite),
    /// A quorum has refilled this server.
    ClearDamage,
    /// What the log holds behind `after` is read for another server.
    Read {
        to: ServerId,
        after: Zxid,
        upto: Zxid,
        bytes_max: usize,
        worth_max: u64,
    },
    /// Part of a snapshot that was given up before it was written.
    Void {
        answered: bool,
    },
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the log: {0}")]
    Log(#[from] LogError),
    #[error("the image and the log: {0}")]
    Recovery(#[from] RecoveryError),
}

/// What opening has found.
pub(crate) struct Opened {
    pub(crate) recovered: Recovered,
    /// The log's entries, as the server goes on from them.
    pub(crate) entries: Vec<Entry>,
    pub(crate) base: Zxid,
    /// Something that was durable may be missing.
    pub(crate) damaged: bool,
    /// It never held a history, as far as can be told.
    pub(crate) is_new: bool,
    /// What is missing from the log that once was durable.
    pub(crate) damage: Option<Damage>,
    pub(crate) epochs: Epochs,
    pub(crate) torn_bytes: u64,
    /// The image could not be read and was set aside.
    pub(crate) image_lost: bool,
    /// A pass of a checkpoint was under way.
    pub(crate) amid_checkpoint: bool,
}

/// The storage of one server; outlives its process.
#[derive(Debug)]
pub(crate) struct Storage {
    device: Rc<RefCell<Medium>>,
    log: Option<Log<Rc<RefCell<Medium>>>>,
    image: Image,
    /// It had held something and nothing has replaced it yet. The server cannot know.
    wiped: bool,
    layout: zareba_log::Config,
    queue: VecDeque<Job>,
    /// How many of the queue are being written now.
    writing: usize,
    planted: Planted,
    /// What a planted bug leaves to the writer of the reign before.
    left_behind: VecDeque<Job>,
    /// The newest epoch promised, as far as has been asked for.
    promised: Epoch,
}

impl Storage {
    pub(crate) fn new(segment_bytes: u64, planted: Planted) -> Self {
        Self {
            device: Rc::new(RefCell::new(Medium::default())),
            log: None,
            image: Image::default(),
            planted,
            wiped: false,
            layout: zareba_log::Config { segment_bytes },
            queue: VecDeque::new(),
            writing: 0,
            left_behind: VecDeque::new(),
            promised: Epoch(0),
        }
    }

    /// Recovers what the disk holds, as a real server does.
    pub(crate) fn open(&mut self) -> Result<Opened, OpenError> {
        let image_lost = self.image.set_aside_if_rotten();
        let meta = self.image.meta();
        let (mut log, found) =
            self.planted
                .open_log(Rc::clone(&self.device), self.layout, meta.origin())?;
        let mut recovery = Recovery::new(meta.start, meta.newest(), meta.digest_mark());
        self.planted.recovery(&mut recovery);
        for (key, value) in self.image.records() {
            recovery.add_record(key, value)?;
        }
        let from = meta.start.max(log.base());
        let committed = found.committed.max(meta.newest());
        let mut replay = log.replay_after(from)?;
        let mut entries = Vec::new();
        loop {
            let read = log.read(&mut replay, 64 << 10)?;
            if read.is_empty() {
                break;
            }
            for entry in &read {
                if entry.zxid <= committed {
                    recovery.replay(entry)?;
                }
            }
            entries.extend(read);
        }
        let is_new = found.epochs.current == Epoch(0);
        let forgives = self.planted.has(ShellBug::DamagedVotes);
        let damaged = (found.damage.is_some() || self.wiped) && !forgives;
        let recovered = recovery.finish(RecoveredLog {
            accepted_epoch: found.epochs.accepted,
            current_epoch: found.epochs.current,
            tail: entries.clone(),
            tail_base: from,
            may_vote: forgives || (found.damage.is_none() && !is_new),
        })?;
        self.log = Some(log);
        Ok(Opened {
            recovered,
            entries,
            base: from,
            damaged,
            is_new,
            damage: found.damage,
            epochs: found.epochs,
            torn_bytes: found.torn_bytes,
            image_lost,
            amid_checkpoint: meta.is_amid_checkpoint(),
        })
    }

    /// What another start would find, right now, or behind another power cut if there is to be one.
    pub(crate) fn open_again(&self, cut: Option<&mut Dice>) -> Result<Opened, OpenError> {
        let mut medium = self.device.borrow().clone();
        medium.full = false;
        medium.fails_sync = false;
        // Takes off faults that wait to strike, too.
        match cut {
            Some(dice) => medium.disk.crash(&mut || dice.next()),
            None => medium.disk.kill_process(),
        }
        let mut copy = Self {
            device: Rc::new(RefCell::new(medium)),
            log: None,
            image: self.image.clone(),
            queue: VecDeque::new(),
            left_behind: VecDeque::new(),
            ..*self
        };
        copy.open()
    }

    pub(crate) fn push(&mut self, job: Job) {
        if matches!(job, Job::Image(ImageWrite::AbandonInstall)) {
            self.void_install();
        }
        if self.planted.has(ShellBug::TwoWriters) && self.is_promised(&job) {
            self.left_behind.extend(self.queue.drain(self.writing..));
        }
        self.queue.push_back(job);
    }

    /// Nothing of a snapshot that was given up may be swapped in, even if it is on its way.
    fn void_install(&mut self) {
        for job in &mut self.queue {
            let Job::Image(write) = job else { continue };
            let answered = match write {
                ImageWrite::BeginInstall { .. } | ImageWrite::InstallBatch { .. } => true,
                ImageWrite::FinishInstall { .. } => false,
                ImageWrite::Batch { .. }
                | ImageWrite::Finish { .. }
                | ImageWrite::AbandonInstall => {
                    continue;
                }
            };
            *job = Job::Void { answered };
        }
        self.image.abandon_install();
    }

    /// True if the write begins another reign.
    fn is_promised(&mut self, job: &Job) -> bool {
        let Job::Persist { write, .. } = job else {
            return false;
        };
        match write {
            Persist::Epochs { accepted, .. } => {
                std::mem::replace(&mut self.promised, *accepted) < *accepted
            }
            Persist::Append { .. } | Persist::Truncate { .. } => false,
        }
    }

    /// Begins to write what waits; false if there is nothing, or a group is being written.
    pub(crate) fn begin_group(&mut self) -> bool {
        if self.queue.is_empty() {
            self.queue.append(&mut self.left_behind);
        }
        if self.writing > 0 || self.queue.is_empty() {
            return false;
        }
        let is_swap = |job: &Job| matches!(job, Job::Image(ImageWrite::FinishInstall { .. }));
        let before = self.queue.iter().take_while(|job| !is_swap(job)).count();
        self.writing = before.max(1);
        true
    }

    /// True if the group being written is a snapshot's swap.
    pub(crate) fn is_swapping(&self) -> bool {
        self.writing > 0
            && matches!(
                self.queue.front(),
                Some(Job::Image(ImageWrite::FinishInstall { .. }))
            )
    }

    /// True if the group being written ends a refill.
    pub(crate) fn is_clearing(&self) -> bool {
        let group = self.queue.iter().take(self.writing);
        group.into_iter().any(|job| matches!(job, Job::ClearDamage))
    }

    /// The group being written is durable; says what the server is told.
    pub(crate) fn end_group(&mut self) -> Result<Vec<Input>, LogError> {
        let jobs: Vec<_> = self.queue.drain(..self.writing).collect();
        self.writing = 0;
        self.write(jobs)
    }

    /// The power is cut: whatever was being written is written in part, the rest not at all.
    pub(crate) fn crash(&mut self, dice: &mut Dice) {
        self.stop_amid_group(dice);
        self.image.crash(dice);
        self.device.borrow_mut().disk.crash(&mut || dice.next());
    }

    /// The process ends: what it has written so far is in the cache.
    pub(crate) fn kill(&mut self, dice: &mut Dice) {
        self.stop_amid_group(dice);
        self.image.crash(dice);
        self.device.borrow_mut().disk.kill_process();
    }

    fn stop_amid_group(&mut self, dice: &mut Dice) {
        let jobs: Vec<_> = self.queue.drain(..self.writing).collect();
        self.writing = 0;
        self.queue.clear();
        self.left_behind.clear();
        // What waits for the next truncation waits on: often it is the one behind a restart.
        let waits = {
            let mut medium = self.device.borrow_mut();
            medium.fails_sync = false;
            medium.fails_truncation.take()
        };
        if !jobs.is_empty() && dice.percent(80) {
            let calls = dice.below(2 + 3 * jobs.len() as u64);
            self.device.borrow_mut().disk.power_off_after(calls);
            // Errors are the point: it ends in the middle.
            let _interrupted = self.write(jobs);
        }
        let mut medium = self.device.borrow_mut();
        medium.fails_truncation = waits;
        let _interrupted = medium.has_failed();
        drop(medium);
        self.log = None;
    }

    /// Everything is gone, and the server starts as a new one.
    pub(crate) fn wipe(&mut self) {
        *self.device.borrow_mut() = Medium::default();
        self.image = Image::default();
        self.wiped = true;
    }

    /// Some of what is durable rots; false if there is nothing that might.
    pub(crate) fn flip(&mut self, dice: &mut Dice) -> bool {
        self.device.borrow_mut().flip(dice)
    }

    pub(crate) fn rot_image(&mut self) {
        self.image.rot();
    }

    pub(crate) fn set_full(&mut self, full: bool) {
        self.device.borrow_mut().full = full;
    }

    pub(crate) fn fail_soon(&mut self, dice: &mut Dice) {
        self.device.borrow_mut().fail_soon(dice);
    }

    /// A snapshot is coming in.
    pub(crate) fn is_installing(&self) -> bool {
        self.image.is_installing()
    }

    /// Writes of a checkpoint and of a snapshot that wait or are under way.
    pub(crate) fn image_writes(&self) -> usize {
        let holds_records = |job: &&Job| {
            matches!(
                job,
                Job::Image(
                    ImageWrite::Batch { .. }
                        | ImageWrite::Finish { .. }
                        | ImageWrite::InstallBatch { .. }
                )
            )
        };
        self.queue.iter().filter(holds_records).count()
    }

    /// The last durable entry.
    pub(crate) fn durable(&self) -> Zxid {
        self.log.as_ref().map_or(Zxid::ZERO, Log::durable)
    }

    /// True if a call to the disk has failed since this was asked last.
    pub(crate) fn has_failed(&self) -> bool {
        self.device.borrow_mut().has_failed()
    }

    /// The epochs page.
    pub(crate) fn epochs(&self) -> Epochs {
        self.log.as_ref().map_or(Epochs::default(), Log::epochs)
    }

    fn read_log(
        &mut self,
        after: Zxid,
        upto: Zxid,
        bytes_max: usize,
        worth_max: u64,
    ) -> Result<LogRead, LogError> {
        let Some(log) = &mut self.log else {
            return Ok(LogRead::Gone);
        };
        if log.bytes_behind(after) > worth_max {
            return Ok(LogRead::Gone);
        }
        let LogSlice::Entries {
            after: floor,
            mut entries,
            ..
        } = log.read_after(after, bytes_max)?
        else {
            return Ok(LogRead::Gone);
        };
        entries.retain(|entry| entry.zxid <= upto);
        Ok(match entries.is_empty() {
            true => LogRead::Gone,
            false => LogRead::Entries { floor, entries },
        })
    }

    fn write(&mut self, jobs: Vec<Job>) -> Result<Vec<Input>, LogError> {
        let mut told = Vec::new();
        let mut persisted = None;
        for job in jobs {
            match job {
                Job::Persist { token, write } => {
                    self.persist(write)?;
                    persisted = Some(token);
                }
                Job::Image(write) => told.extend(self.write_image(write)?),
                Job::Read {
                    to,
                    after,
                    upto,
                    bytes_max,
                    worth_max,
                } => {
                    let result = self.read_log(after, upto, bytes_max, worth_max)?;
                    told.push(Input::LogRead { to, after, result });
                }
                Job::Void { answered } => told.extend(answered.then_some(Input::ImageWritten)),
                Job::ClearDamage => {
                    if let Some(log) = &mut self.log {
                        log.clear_damage()?;
                    }
                    self.wiped = false;
                }
            }
        }
        if let Some(log) = &mut self.log {
            log.sync()?;
        }
        if let Some(token) = persisted {
            told.insert(0, Input::Persisted(token));
        }
        Ok(told)
    }

    fn persist(&mut self, write: Persist) -> Result<(), LogError> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        match write {
            Persist::Append { entries, committed } => log.append(&entries, committed),
            Persist::Truncate { after } => {
                self.device.borrow_mut().is_truncated();
                log.truncate_after(after).map(|_| ())
            }
            Persist::Epochs { accepted, current } => {
                // The epoch says that the history before it is here.
                log.sync()?;
                log.write_epochs(Epochs { accepted, current })
            }
        }
    }

    fn write_image(&mut self, write: ImageWrite) -> Result<Option<Input>, LogError> {
        let Some(log) = &mut self.log else {
            return Ok(None);
        };
        match write {
            ImageWrite::Batch { records, upto } => self.image.write_batch(records, upto),
            ImageWrite::Finish { start, end, digest } => {
                if self.device.borrow().disk.is_powered_off() {
                    return Ok(None);
                }
                let marks_first = self.planted.has(ShellBug::MarkBeforeRecords);
                self.image
                    .finish_checkpoint(start, end, digest, marks_first);
                log.purge_below(start)?;
            }
            ImageWrite::BeginInstall { .. } => {
                let in_place = self.planted.has(ShellBug::SnapshotInPlace);
                self.image.begin_install(in_place);
            }
            ImageWrite::InstallBatch { records } => self.image.install_batch(records),
            ImageWrite::FinishInstall { base, end } => {
                if self.planted.has(ShellBug::SnapshotInMemory) {
                    log.reset(base)?;
                    return Ok(Some(Input::SnapshotInstalled { base }));
                }
                let discard = log.last_segment_number();
                if self.device.borrow().disk.is_powered_off()
                    || !self.image.finish_install(base, end, discard)
                {
                    return Ok(None);
                }
                log.reset(base)?;
                return Ok(Some(Input::SnapshotInstalled { base }));
            }
            ImageWrite::AbandonInstall => {}
        }
        Ok(Some(Input::ImageWritten))
    }
}
