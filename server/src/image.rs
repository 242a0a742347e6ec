//! The image's thread: checkpoints and installed snapshots, apart from the log's syncs. Must never
//! know what a record means. For the order between image and log see [`crate::disk`].

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use zareba_model::Zxid;
use zareba_replica::{ImageWrite, Input};
use zareba_storage::{Image, StorageError};

use crate::disk::LogOrder;
use crate::error::ServerError;
use crate::event::{Event, EventSenders};
use crate::metrics::Metrics;
use crate::queue;

/// One thing for the image's thread.
#[derive(Debug)]
pub(crate) enum ImageOrder {
    /// Any write that the log need not know of.
    Write(ImageWrite),
    /// Meet the log's thread, then flip to the snapshot.
    Flip {
        base: Zxid,
        end: Zxid,
        meeting: FlipMeeting,
    },
}

/// The image's side of the meeting at a snapshot's end.
#[derive(Debug)]
pub(crate) struct FlipMeeting {
    /// Where the log says its last segment.
    pub(crate) void_up_to: Receiver<u64>,
    /// Where the image says that it has flipped.
    pub(crate) flipped: Sender<()>,
}

/// What the thread needs of an image. Every call is durable when it returns, or (for parts of a
/// pass) at the latest when the call that ends the pass returns.
pub(crate) trait ImageStore {
    type Error: Display;

    fn write_batch(
        &mut self,
        records: &[(Bytes, Option<Bytes>)],
        upto: Zxid,
    ) -> Result<(), Self::Error>;
    fn finish(&mut self, start: Zxid, end: Zxid, digest: u64) -> Result<(), Self::Error>;
    fn begin_install(&mut self, base: Zxid) -> Result<(), Self::Error>;
    fn install_batch(&mut self, records: &[(Bytes, Bytes)]) -> Result<(), Self::Error>;
    fn finish_install(&mut self, end: Zxid, void_up_to: u64) -> Result<(), Self::Error>;
    fn abandon_install(&mut self) -> Result<(), Self::Error>;
}

impl ImageStore for Image {
    type Error = StorageError;

    fn write_batch(
        &mut self,
        records: &[(Bytes, Option<Bytes>)],
        upto: Zxid,
    ) -> Result<(), StorageError> {
        Self::write_batch(self, records, upto)
    }

    fn finish(&mut self, start: Zxid, end: Zxid, digest: u64) -> Result<(), StorageError> {
        self.finish_checkpoint(start, end, digest)
    }

    fn begin_install(&mut self, base: Zxid) -> Result<(), StorageError> {
        Self::begin_install(self, base)
    }

    fn install_batch(&mut self, records: &[(Bytes, Bytes)]) -> Result<(), StorageError> {
        Self::install_batch(self, records)
    }

    fn finish_install(&mut self, end: Zxid, void_up_to: u64) -> Result<(), StorageError> {
        Self::finish_install(self, end, void_up_to)
    }

    fn abandon_install(&mut self) -> Result<(), StorageError> {
        Self::abandon_install(self)
    }
}

/// The image's thread.
pub(crate) struct ImageThread<I> {
    image: I,
    orders: Receiver<ImageOrder>,
    log: queue::Sender<LogOrder>,
    events: EventSenders,
    metrics: Arc<Metrics>,
    /// Entries of the log to keep behind a checkpoint's start, for peers that are a little behind.
    keep_entries: u32,
}

impl<I: ImageStore> ImageThread<I> {
    pub(crate) fn new(
        image: I,
        orders: Receiver<ImageOrder>,
        log: queue::Sender<LogOrder>,
        events: EventSenders,
        metrics: Arc<Metrics>,
        keep_entries: u32,
    ) -> Self {
        Self {
            image,
            orders,
            log,
            events,
            metrics,
            keep_entries,
        }
    }

    /// Works until nobody can give orders any more, or until the first error.
    pub(crate) fn run(mut self) {
        while let Ok(order) = self.orders.recv() {
            if let Err(error) = self.carry_out(order) {
                let error = ServerError::Image(error.to_string());
                tracing::error!(%error, "the server stops");
                self.events.tell(Event::Fatal(error));
                return;
            }
            self.metrics.image_writes.add(1);
        }
    }

    fn carry_out(&mut self, order: ImageOrder) -> Result<(), I::Error> {
        match order {
            ImageOrder::Write(write) => {
                self.write(write)?;
                self.events.tell(Event::Input(Input::ImageWritten));
                Ok(())
            }
            ImageOrder::Flip { base, end, meeting } => {
                let Ok(void_up_to) = meeting.void_up_to.recv() else {
                    // The log's thread has failed and says so itself; the server stops.
                    return Ok(());
                };
                self.image.finish_install(end, void_up_to)?;
                tracing::info!(%base, %end, "a snapshot from the leader is in place");
                let _log_has_ended = meeting.flipped.send(()).is_err();
                Ok(())
            }
        }
    }

    fn write(&mut self, write: ImageWrite) -> Result<(), I::Error> {
        match write {
            ImageWrite::Batch { records, upto } => self.image.write_batch(&records, upto),
            ImageWrite::Finish { start, end, digest } => {
                self.image.finish(start, end, digest)?;
                tracing::info!(%start, %end, "a checkpoint is complete");
                let below = keep_behind(start, self.keep_entries);
                drop(self.log.send(LogOrder::Purge { below }));
                Ok(())
            }
            ImageWrite::BeginInstall { base } => self.image.begin_install(base),
            ImageWrite::InstallBatch { records } => self.image.install_batch(&records),
            ImageWrite::AbandonInstall => self.image.abandon_install(),
            ImageWrite::FinishInstall { .. } => {
                unreachable!("the end of an install is a flip, which meets the log")
            }
        }
    }
}

/// The place `entries` before `zxid`, or the beginning of its epoch.
pub(crate) fn keep_behind(zxid: Zxid, entries: u32) -> Zxid {
    Zxid {
        epoch: zxid.epoch,
        counter: zxid.counter.saturating_sub(entries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::queues;

    /// Writes down what is asked of it.
    #[derive(Debug, Default)]
    struct Recorder {
        calls: Vec<String>,
        fails: bool,
    }

    impl Recorder {
        fn note(&mut self, call: String) -> Result<(), String> {
            self.calls.push(call);
            if self.fails {
                return Err("no space".to_owned());
            }
            Ok(())
        }
    }

    impl ImageStore for &mut Recorder {
        type Error = String;

        fn write_batch(
            &mut self,
            records: &[(Bytes, Option<Bytes>)],
            upto: Zxid,
        ) -> Result<(), String> {
            self.note(format!("batch of {} up to {upto}", records.len()))
        }
        fn finish(&mut self, start: Zxid, end: Zxid, _: u64) -> Result<(), String> {
            self.note(format!("finish {start} {end}"))
        }
        fn begin_install(&mut self, base: Zxid) -> Result<(), String> {
            self.note(format!("begin {base}"))
        }
        fn install_batch(&mut self, records: &[(Bytes, Bytes)]) -> Result<(), String> {
            self.note(format!("install {}", records.len()))
        }
        fn finish_install(&mut self, end: Zxid, n: u64) -> Result<(), String> {
            self.note(format!("flip to {end}, void up to {n}"))
        }
        fn abandon_install(&mut self) -> Result<(), String> {
            self.note("abandon".to_owned())
        }
    }

    fn run(
        recorder: &mut Recorder,
        orders: Vec<ImageOrder>,
    ) -> (queue::Receiver<Event>, queue::Receiver<LogOrder>) {
        let (sender, queue) = crossbeam_channel::unbounded();
        for order in orders {
            sender.send(order).unwrap();
        }
        drop(sender);
        let (log, log_orders) = queue::one_lane();
        let (events, receivers) = queues();
        ImageThread::new(recorder, queue, log, events, Arc::default(), 100).run();
        (receivers, log_orders)
    }

    #[test]
    fn the_log_is_purged_only_behind_a_complete_checkpoint_and_keeps_a_window() {
        let mut recorder = Recorder::default();
        let batch = ImageWrite::Batch {
            records: vec![(Bytes::from("k"), None)],
            upto: Zxid::new(1, 950),
        };
        let finish = ImageWrite::Finish {
            start: Zxid::new(1, 900),
            end: Zxid::new(1, 950),
            digest: 3,
        };
        let orders = vec![ImageOrder::Write(batch), ImageOrder::Write(finish)];
        let (events, log) = run(&mut recorder, orders);
        assert_eq!(
            recorder.calls,
            ["batch of 1 up to 1.950", "finish 1.900 1.950"]
        );
        assert!(matches!(
            log.take_now().first.pop_front(),
            Some(LogOrder::Purge { below }) if below == Zxid::new(1, 800)
        ));
        let written = events.take_now().first;
        assert_eq!(
            written
                .iter()
                .filter(|event| matches!(event, Event::Input(Input::ImageWritten)))
                .count(),
            2
        );
    }

    #[test]
    fn a_failed_checkpoint_purges_nothing_and_stops_the_server() {
        let mut recorder = Recorder {
            fails: true,
            ..Recorder::default()
        };
        let finish = ImageWrite::Finish {
            start: Zxid::new(1, 900),
            end: Zxid::new(1, 950),
            digest: 3,
        };
        let (events, log) = run(&mut recorder, vec![ImageOrder::Write(finish)]);
        assert!(log.take_now().is_empty());
        assert!(matches!(
            events.take_now().first.pop_front(),
            Some(Event::Fatal(ServerError::Image(_)))
        ));
    }

    #[test]
    fn a_flip_takes_the_segment_from_the_log_and_says_when_it_is_done() {
        let mut recorder = Recorder::default();
        let (segment, void_up_to) = crossbeam_channel::bounded(1);
        let (flipped, done) = crossbeam_channel::bounded(1);
        segment.send(12).unwrap();
        let flip = ImageOrder::Flip {
            base: Zxid::new(2, 4),
            end: Zxid::new(2, 9),
            meeting: FlipMeeting {
                void_up_to,
                flipped,
            },
        };
        run(&mut recorder, vec![flip]);
        assert_eq!(recorder.calls, ["flip to 2.9, void up to 12"]);
        assert_eq!(done.recv(), Ok(()));
    }
}
