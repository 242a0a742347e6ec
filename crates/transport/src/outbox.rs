//! What waits to be sent to one peer on one link: a bounded queue per lane.
//!
//! A queue that would grow over its bound marks the whole outbox as overflowed, which ends the
//! link: the sender never waits, and a peer that missed something never hears what came after it.
//! Must never know sockets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::codec::Lane;

pub(crate) struct Outbox {
    ordered: Queue,
    bulk: Queue,
    overflowed: Notify,
    bytes_max: usize,
}

struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: Vec<Bytes>,
    /// Invariant: the bytes of `frames` and of the batch the writer holds.
    bytes: usize,
    overflowed: bool,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let queue = || Queue {
            waiting: Mutex::default(),
            filled: Notify::new(),
        };
        Self {
            ordered: queue(),
            bulk: queue(),
            overflowed: Notify::new(),
            bytes_max,
        }
    }

    /// Queues a frame, or overflows.
    pub(crate) fn push(&self, lane: Lane, frame: Bytes) {
        let queue = self.queue(lane);
        let mut waiting = queue.lock();
        if waiting.overflowed {
            return;
        }
        // An empty queue takes any frame, so that a small bound cannot forbid a large message.
        if waiting.bytes > 0 && waiting.bytes.saturating_add(frame.len()) > self.bytes_max {
            waiting.overflowed = true;
            waiting.frames = Vec::new();
            drop(waiting);
            self.overflowed.notify_one();
            return;
        }
        waiting.bytes += frame.len();
        waiting.frames.push(frame);
        // The writer empties the queue whole, so only the first frame has to wake it.
        let first = waiting.frames.len() == 1;
        drop(waiting);
        if first {
            queue.filled.notify_one();
        }
    }

    /// Waits for frames and takes all there are. `batch` is the last one, written and emptied.
    pub(crate) async fn take(&self, lane: Lane, batch: &mut Vec<Bytes>) {
        batch.clear();
        let queue = self.queue(lane);
        loop {
            std::mem::swap(&mut queue.lock().frames, batch);
            if !batch.is_empty() {
                return;
            }
            queue.filled.notified().await;
        }
    }

    /// A batch of so many bytes has been written.
    pub(crate) fn wrote(&self, lane: Lane, bytes: usize) {
        let mut waiting = self.queue(lane).lock();
        assert!(bytes <= waiting.bytes);
        waiting.bytes -= bytes;
    }

    /// Returns once a queue has overflowed.
    pub(crate) async fn overflow(&self) {
        self.overflowed.notified().await;
    }

    fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Ordered => &self.ordered,
            Lane::Bulk => &self.bulk,
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[tokio::test]
    async fn a_batch_is_all_that_waits_in_order() {
        let outbox = Outbox::new(100);
        let mut batch = Vec::new();
        for size in [1, 2, 3] {
            outbox.push(Lane::Ordered, frame(size));
        }
        outbox.push(Lane::Bulk, frame(9));
        outbox.take(Lane::Ordered, &mut batch).await;
        assert_eq!(batch.iter().map(Bytes::len).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn what_is_being_written_counts_until_it_is_written() {
        let outbox = Outbox::new(100);
        let mut batch = Vec::new();
        outbox.push(Lane::Ordered, frame(80));
        outbox.take(Lane::Ordered, &mut batch).await;
        outbox.wrote(Lane::Ordered, 80);
        outbox.push(Lane::Ordered, frame(80));
        outbox.take(Lane::Ordered, &mut batch).await;
        outbox.push(Lane::Ordered, frame(80));
        outbox.overflow().await;
    }
}
