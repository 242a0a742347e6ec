//! The log's thread: group commit, and the place where log and image meet. Must never know what an
//! entry means.
//!
//! Everything queued while one sync runs goes into the next. The image is written by a thread of
//! its own ([`crate::image`]), so that no checkpoint delays a commit. The order between the two
//! matters in two places only:
//!
//! - **Purge.** The log up to a checkpoint's start may go only when the checkpoint is durable: the
//!   image's thread asks for it afterwards. It may come arbitrarily late.
//! - **Install.** What was appended before a snapshot is dropped, what is appended behind it must
//!   stay. So the flip has its place in both queues, and the threads meet there: the log says
//!   which segments the image shall declare void, the image flips and says so, the log starts
//!   anew behind the snapshot. A crash before the flip leaves the old state whole; a crash behind
//!   it leaves void segments that recovery drops.
//!
//! What a checkpoint holds has been delivered, and so is durable in the log already; an image can
//! never be ahead of its log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use zareba_log::{Disk, Epochs, Log, LogError, LogSlice};
use zareba_model::{Entry, ServerId, Zxid};
use zareba_replica::Input;
use zareba_zab::{LogRead, Persist, Token};

use crate::error::ServerError;
use crate::event::{Event, EventSenders};
use crate::metrics::Metrics;
use crate::queue::{self, Taken};

/// One thing for the log's thread.
#[derive(Debug)]
pub(crate) enum LogOrder {
    /// Write, and report the token once it is durable.
    Persist { token: Token, write: Persist },
    /// Meet the image's thread, then start anew behind `base`.
    Install { base: Zxid, meeting: InstallMeeting },
    /// A durable image makes the log up to here unnecessary.
    Purge { below: Zxid },
    /// An established leader has refilled this server: what was damaged is whole.
    ClearDamage,
    /// Read what is durable, for a follower that is behind.
    Read(LogReading),
}

/// What is to be read; see [`zareba_replica::Output::ReadLog`].
#[derive(Debug)]
pub(crate) struct LogReading {
    pub(crate) to: ServerId,
    pub(crate) after: Zxid,
    pub(crate) upto: Zxid,
    pub(crate) bytes_max: usize,
    pub(crate) worth_max: u64,
}

/// The log's side of the meeting at a snapshot's end.
#[derive(Debug)]
pub(crate) struct InstallMeeting {
    /// Where the log says the last segment that the image shall declare void.
    pub(crate) void_up_to: Sender<u64>,
    /// Where the image says that it has flipped; closed without a word if it failed.
    pub(crate) flipped: Receiver<()>,
}

/// What the thread needs of a log.
pub(crate) trait LogStore {
    fn append(&mut self, entries: &[Entry], committed: Zxid) -> Result<(), LogError>;
    fn sync_unmarked(&mut self) -> Result<(), LogError>;
    fn leave_mark(&mut self) -> Result<(), LogError>;
    fn seal(&mut self) -> Result<(), LogError>;
    fn truncate_after(&mut self, after: Zxid) -> Result<(), LogError>;
    fn write_epochs(&mut self, epochs: Epochs) -> Result<(), LogError>;
    fn purge_below(&mut self, below: Zxid) -> Result<(), LogError>;
    fn last_segment_number(&self) -> u64;
    fn reset(&mut self, base: Zxid) -> Result<(), LogError>;
    fn clear_damage(&mut self) -> Result<(), LogError>;
    fn read_after(&mut self, after: Zxid, bytes_max: usize) -> Result<LogSlice, LogError>;
    fn bytes_behind(&self, zxid: Zxid) -> u64;
}

impl<D: Disk> LogStore for Log<D> {
    fn append(&mut self, entries: &[Entry], committed: Zxid) -> Result<(), LogError> {
        Self::append(self, entries, committed)
    }

    fn sync_unmarked(&mut self) -> Result<(), LogError> {
        Self::sync_unmarked(self)
    }

    fn leave_mark(&mut self) -> Result<(), LogError> {
        Self::leave_mark(self)
    }

    fn seal(&mut self) -> Result<(), LogError> {
        Self::seal(self)
    }

    fn truncate_after(&mut self, after: Zxid) -> Result<(), LogError> {
        Self::truncate_after(self, after).map(drop)
    }

    fn write_epochs(&mut self, epochs: Epochs) -> Result<(), LogError> {
        Self::write_epochs(self, epochs)
    }

    fn purge_below(&mut self, below: Zxid) -> Result<(), LogError> {
        Self::purge_below(self, below)
    }

    fn last_segment_number(&self) -> u64 {
        Self::last_segment_number(self)
    }

    fn reset(&mut self, base: Zxid) -> Result<(), LogError> {
        Self::reset(self, base)
    }

    fn clear_damage(&mut self) -> Result<(), LogError> {
        Self::clear_damage(self)
    }

    fn read_after(&mut self, after: Zxid, bytes_max: usize) -> Result<LogSlice, LogError> {
        Self::read_after(self, after, bytes_max)
    }

    fn bytes_behind(&self, zxid: Zxid) -> u64 {
        Self::bytes_behind(self, zxid)
    }
}

/// The log's thread.
#[derive(Debug)]
pub(crate) struct LogThread<L> {
    log: L,
    orders: queue::Receiver<LogOrder>,
    /// Taken from the queue and not carried out yet.
    taken: Taken<LogOrder>,
    events: EventSenders,
    metrics: Arc<Metrics>,
    /// Appended since the last sync.
    dirty: bool,
    /// The last write carried out and not yet reported.
    unreported: Option<Token>,
    /// How far each follower has been read to, as the operator was told.
    fed: BTreeMap<ServerId, Zxid>,
}

impl<L: LogStore> LogThread<L> {
    pub(crate) fn new(
        log: L,
        orders: queue::Receiver<LogOrder>,
        events: EventSenders,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            log,
            orders,
            taken: Taken::default(),
            events,
            metrics,
            dirty: false,
            unreported: None,
            fed: BTreeMap::new(),
        }
    }

    /// Works until nobody can give orders any more, or until the first error.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.work() {
            let error = ServerError::Log(error.to_string());
            tracing::error!(%error, "the server stops");
            self.events.tell(Event::Fatal(error));
        }
    }

    /// A log that is left alone, or for good, is sealed: nothing behind its last mark will take
    /// that one to the disk soon.
    fn work(&mut self) -> Result<(), LogError> {
        let mut is_sealed = true;
        loop {
            let there = match is_sealed {
                true => Some(self.orders.take(&mut self.taken)),
                false => self.orders.take_within(&mut self.taken, IDLE),
            };
            match there {
                Some(true) => {
                    self.carry_out_group()?;
                    is_sealed = false;
                }
                Some(false) => return self.log.seal(),
                None => {
                    self.log.seal()?;
                    is_sealed = true;
                }
            }
        }
    }

    /// One group: all that is queued, one sync, one report.
    fn carry_out_group(&mut self) -> Result<(), LogError> {
        let mut bytes = 0;
        while bytes < GROUP_BYTES_MAX {
            let Some(next) = self.taken.first.pop_front() else {
                break;
            };
            bytes += self.carry_out(next)?;
        }
        self.sync()?;
        self.report();
        // Nobody has to wait for the mark.
        self.log.leave_mark()
    }

    /// Carries out one order and says how many bytes it has added to the group.
    fn carry_out(&mut self, order: LogOrder) -> Result<usize, LogError> {
        match order {
            LogOrder::Persist { token, write } => {
                assert!(self.unreported < Some(token), "write tokens rise");
                let bytes = self.persist(write)?;
                self.unreported = Some(token);
                self.metrics.log_writes.add(1);
                return Ok(bytes);
            }
            LogOrder::Install { base, meeting } => self.install(base, &meeting)?,
            LogOrder::Purge { below } => self.log.purge_below(below)?,
            LogOrder::ClearDamage => {
                self.sync()?;
                self.log.clear_damage()?;
                tracing::info!("the log was refilled from an established leader");
            }
            LogOrder::Read(reading) => self.read(&reading)?,
        }
        Ok(0)
    }

    /// What stands behind an id, unless it is gone or too much. It delays the group that it comes
    /// in by one read of at most the bytes asked for.
    fn read(&mut self, reading: &LogReading) -> Result<(), LogError> {
        let (to, after) = (reading.to, reading.after);
        let bytes = self.log.bytes_behind(after);
        let is_worth_it = bytes <= reading.worth_max;
        let mut result = LogRead::Gone;
        if is_worth_it
            && let LogSlice::Entries {
                after: floor,
                mut entries,
                ..
            } = self.log.read_after(after, reading.bytes_max)?
        {
            entries.retain(|entry| entry.zxid <= reading.upto);
            if !entries.is_empty() {
                result = LogRead::Entries { floor, entries };
            }
        }
        self.note_reading(reading, &result, bytes);
        self.events
            .tell(Event::Input(Input::LogRead { to, after, result }));
        Ok(())
    }

    /// Tells the operator by which way a follower catches up; of one that goes on where it was, no
    /// word more.
    fn note_reading(&mut self, reading: &LogReading, result: &LogRead, bytes: u64) {
        let (server, after) = (reading.to, reading.after);
        match result {
            LogRead::Entries { entries, .. } => {
                let end = entries.last().map_or(after, |entry| entry.zxid);
                if self.fed.insert(server, end) != Some(after) {
                    tracing::info!(%server, %after, bytes, "catching up from the log on disk");
                }
            }
            LogRead::Gone => {
                self.fed.remove(&server);
                tracing::info!(%server, %after, bytes, snapshot_bytes = reading.worth_max,
                    "too far behind for the log on disk: catching up by a snapshot");
            }
        }
    }

    fn persist(&mut self, write: Persist) -> Result<usize, LogError> {
        match write {
            Persist::Append { entries, committed } => {
                self.log.append(&entries, committed)?;
                self.dirty = true;
                Ok(entries.iter().map(|entry| entry.payload.len()).sum())
            }
            Persist::Truncate { after } => {
                self.sync()?;
                self.log.truncate_after(after)?;
                Ok(0)
            }
            Persist::Epochs { accepted, current } => {
                // An epoch may promise a history; never let it be durable before that is.
                self.sync()?;
                self.log.write_epochs(Epochs { accepted, current })?;
                Ok(0)
            }
        }
    }

    fn install(&mut self, base: Zxid, meeting: &InstallMeeting) -> Result<(), LogError> {
        self.sync()?;
        self.report();
        let void_up_to = self.log.last_segment_number();
        let flipped = meeting.void_up_to.send(void_up_to).is_ok() && meeting.flipped.recv().is_ok();
        if !flipped {
            // The image's thread has failed and says so itself; the server stops.
            return Ok(());
        }
        self.log.reset(base)?;
        self.events
            .tell(Event::Input(Input::SnapshotInstalled { base }));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        if self.dirty {
            self.log.sync_unmarked()?;
            self.dirty = false;
            self.metrics.log_syncs.add(1);
        }
        Ok(())
    }

    fn report(&mut self) {
        assert!(!self.dirty, "only what is durable is reported");
        if let Some(token) = self.unreported.take() {
            self.events.tell(Event::Input(Input::Persisted(token)));
        }
    }
}

/// After so long without an order the log is idle.
const IDLE: Duration = Duration::from_secs(1);

/// A group is closed when it holds so much: its first writer has waited long enough.
const GROUP_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use zareba_model::Epoch;

    use super::*;
    use crate::event::queues;

    /// Writes down what is asked of it, and fails where told.
    #[derive(Clone, Debug, Default)]
    struct Recorder {
        calls: Arc<Mutex<Vec<String>>>,
        fail_at: Option<&'static str>,
    }

    impl Recorder {
        fn note(&self, call: &str) -> Result<(), LogError> {
            self.calls.lock().unwrap().push(call.to_owned());
            match self.fail_at {
                Some(at) if at == call => Err(LogError::Poisoned),
                _ => Ok(()),
            }
        }
    }

    impl LogStore for Recorder {
        fn append(&mut self, entries: &[Entry], _: Zxid) -> Result<(), LogError> {
            self.note(&format!("append {}", entries[0].zxid))
        }
        fn sync_unmarked(&mut self) -> Result<(), LogError> {
            self.note("sync")
        }
        fn leave_mark(&mut self) -> Result<(), LogError> {
            Ok(())
        }
        fn seal(&mut self) -> Result<(), LogError> {
            self.note("seal")
        }
        fn truncate_after(&mut self, after: Zxid) -> Result<(), LogError> {
            self.note(&format!("truncate {after}"))
        }
        fn write_epochs(&mut self, _: Epochs) -> Result<(), LogError> {
            self.note("epochs")
        }
        fn purge_below(&mut self, below: Zxid) -> Result<(), LogError> {
            self.note(&format!("purge {below}"))
        }
        fn last_segment_number(&self) -> u64 {
            7
        }
        fn reset(&mut self, base: Zxid) -> Result<(), LogError> {
            self.note(&format!("reset {base}"))
        }
        fn clear_damage(&mut self) -> Result<(), LogError> {
            self.note("clear")
        }
        fn read_after(&mut self, after: Zxid, _: usize) -> Result<LogSlice, LogError> {
            self.note(&format!("read {after}"))?;
            let entries = (after.counter + 1..after.counter + 4).map(|counter| Entry {
                zxid: Zxid::new(1, counter),
                payload: Bytes::new(),
            });
            Ok(LogSlice::Entries {
                after,
                entries: entries.collect(),
                is_end: false,
            })
        }
        fn bytes_behind(&self, _: Zxid) -> u64 {
            1_000
        }
    }

    fn append(token: u64, bytes: usize) -> LogOrder {
        LogOrder::Persist {
            token: Token(token),
            write: Persist::Append {
                entries: vec![Entry {
                    zxid: Zxid::new(1, u32::try_from(token).unwrap()),
                    payload: Bytes::from(vec![0; bytes]),
                }],
                committed: Zxid::ZERO,
            },
        }
    }

    fn epochs(token: u64) -> LogOrder {
        LogOrder::Persist {
            token: Token(token),
            write: Persist::Epochs {
                accepted: Epoch(2),
                current: Epoch(1),
            },
        }
    }

    /// Runs the thread's work over a queue that is filled and closed beforehand.
    fn run(orders: Vec<LogOrder>, recorder: &Recorder) -> queue::Receiver<Event> {
        let (sender, queue) = queue::one_lane();
        for order in orders {
            sender.send(order).unwrap();
        }
        drop(sender);
        let (events, receivers) = queues();
        LogThread::new(recorder.clone(), queue, events, Arc::default()).run();
        receivers
    }

    fn calls(recorder: &Recorder) -> Vec<String> {
        recorder.calls.lock().unwrap().clone()
    }

    fn reported(receivers: &queue::Receiver<Event>) -> Vec<Event> {
        receivers.take_now().first.into()
    }

    #[test]
    fn all_that_is_queued_shares_one_sync_and_one_report() {
        let recorder = Recorder::default();
        let receivers = run((1..=3).map(|token| append(token, 10)).collect(), &recorder);
        let expected = ["append 1.1", "append 1.2", "append 1.3", "sync", "seal"];
        assert_eq!(calls(&recorder), expected);
        let events = reported(&receivers);
        assert!(matches!(
            events.as_slice(),
            [Event::Input(Input::Persisted(Token(3)))]
        ));
    }

    #[test]
    fn a_group_is_closed_when_it_is_large_enough() {
        let recorder = Recorder::default();
        run(vec![append(1, GROUP_BYTES_MAX), append(2, 10)], &recorder);
        let expected = ["append 1.1", "sync", "append 1.2", "sync", "seal"];
        assert_eq!(calls(&recorder), expected);
    }

    #[test]
    fn epochs_and_truncation_come_behind_a_sync_of_what_was_appended_before() {
        let recorder = Recorder::default();
        let truncate = LogOrder::Persist {
            token: Token(4),
            write: Persist::Truncate {
                after: Zxid::new(1, 1),
            },
        };
        let orders = vec![append(1, 10), epochs(2), append(3, 10), truncate];
        run(orders, &recorder);
        let expected = [
            "append 1.1",
            "sync",
            "epochs",
            "append 1.3",
            "sync",
            "truncate 1.1",
            "seal",
        ];
        assert_eq!(calls(&recorder), expected);
    }

    #[test]
    fn an_install_waits_for_the_image_and_then_empties_the_log_before_later_appends() {
        let recorder = Recorder::default();
        let (void_up_to, segment) = crossbeam_channel::bounded(1);
        let (flip, flipped) = crossbeam_channel::bounded(1);
        flip.send(()).unwrap();
        let base = Zxid::new(1, 9);
        let install = LogOrder::Install {
            base,
            meeting: InstallMeeting {
                void_up_to,
                flipped,
            },
        };
        let receivers = run(vec![append(1, 10), install, append(2, 10)], &recorder);
        let expected = [
            "append 1.1",
            "sync",
            "reset 1.9",
            "append 1.2",
            "sync",
            "seal",
        ];
        assert_eq!(calls(&recorder), expected);
        assert_eq!(segment.recv(), Ok(7));
        let events = reported(&receivers);
        assert!(matches!(
            events.as_slice(),
            [
                Event::Input(Input::Persisted(Token(1))),
                Event::Input(Input::SnapshotInstalled { .. }),
                Event::Input(Input::Persisted(Token(2))),
            ]
        ));
    }

    #[test]
    fn a_follower_gets_what_the_log_holds_unless_a_snapshot_is_cheaper() {
        let read = |upto, worth_max| {
            let reading = LogReading {
                to: ServerId(3),
                after: Zxid::new(1, 5),
                upto: Zxid::new(1, upto),
                bytes_max: 100,
                worth_max,
            };
            let receivers = run(vec![LogOrder::Read(reading)], &Recorder::default());
            match reported(&receivers).pop() {
                Some(Event::Input(Input::LogRead { result, .. })) => result,
                other => panic!("expected an answer, not {other:?}"),
            }
        };
        let LogRead::Entries { floor, entries } = read(7, 1_000) else {
            panic!("expected entries");
        };
        assert_eq!((floor, entries.len()), (Zxid::new(1, 5), 2));
        assert_eq!(read(7, 999), LogRead::Gone);
    }

    #[test]
    fn the_first_error_ends_the_thread_and_nothing_is_reported_durable() {
        let recorder = Recorder {
            fail_at: Some("sync"),
            ..Recorder::default()
        };
        let receivers = run(vec![append(1, GROUP_BYTES_MAX), append(2, 10)], &recorder);
        assert_eq!(calls(&recorder), ["append 1.1", "sync"]);
        let events = reported(&receivers);
        assert!(matches!(
            events.as_slice(),
            [Event::Fatal(ServerError::Log(_))]
        ));
    }

    #[test]
    fn a_purge_alone_needs_no_sync_and_a_log_that_ends_is_sealed() {
        let recorder = Recorder::default();
        let purge = LogOrder::Purge {
            below: Zxid::new(1, 5),
        };
        run(vec![purge], &recorder);
        assert_eq!(calls(&recorder), ["purge 1.5", "seal"]);
    }
}
