//! Queues between threads: many may put something in, one takes all there is. Must never know what
//! it carries.
//!
//! A queue has lanes that share one lock and one sleeper, so that a thread with two sources waits
//! for both at once. Whoever waits sleeps at once: the usual channels first yield the processor
//! many times over, which on a busy machine costs more than the sleep it is meant to save.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One lane's end to put things in.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    shared: Arc<Shared<T>>,
    lane: Lane,
}

/// The end that takes things out.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

/// The receiver is gone; what was to be sent is dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// What has come on each lane, in order.
#[derive(Debug)]
pub(crate) struct Taken<T> {
    /// On the lane that goes first.
    pub(crate) first: VecDeque<T>,
    /// On the other.
    pub(crate) second: VecDeque<T>,
}

#[derive(Clone, Copy, Debug)]
enum Lane {
    First,
    Second,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Taken<T>,
    /// The receiver sleeps and is to be woken.
    asleep: bool,
    senders: usize,
    receiver_gone: bool,
}

/// A queue of two lanes.
pub(crate) fn two_lanes<T>() -> (Sender<T>, Sender<T>, Receiver<T>) {
    let (first, receiver) = one_lane();
    let mut second = first.clone();
    second.lane = Lane::Second;
    (first, second, receiver)
}

/// A queue of one lane, the first.
pub(crate) fn one_lane<T>() -> (Sender<T>, Receiver<T>) {
    let state = State {
        waiting: Taken::default(),
        asleep: false,
        senders: 1,
        receiver_gone: false,
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        filled: Condvar::new(),
    });
    let sender = Sender {
        shared: Arc::clone(&shared),
        lane: Lane::First,
    };
    (sender, Receiver { shared })
}

impl<T> Sender<T> {
    /// Puts one thing at the end of the lane.
    pub(crate) fn send(&self, thing: T) -> Result<(), Gone> {
        let mut state = self.shared.lock();
        if state.receiver_gone {
            return Err(Gone);
        }
        match self.lane {
            Lane::First => state.waiting.first.push_back(thing),
            Lane::Second => state.waiting.second.push_back(thing),
        }
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.shared.filled.notify_one();
        }
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// Adds all there is to `taken`. If there would be nothing, waits for something at most so long,
    /// or for as long as it takes; false if nobody is left to send.
    pub(crate) fn take(&self, taken: &mut Taken<T>, wait_max: Option<Duration>) -> bool {
        let mut state = self.shared.lock();
        while taken.is_empty() && state.waiting.is_empty() {
            if state.senders == 0 {
                return false;
            }
            state.asleep = true;
            let filled = &self.shared.filled;
            let Some(wait) = wait_max else {
                state = filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let woken = filled.wait_timeout(state, wait);
            let timeout;
            (state, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                state.asleep = false;
                break;
            }
        }
        take_lane(&mut state.waiting.first, &mut taken.first);
        take_lane(&mut state.waiting.second, &mut taken.second);
        true
    }

    /// All there is now.
    #[cfg(test)]
    pub(crate) fn try_take(&self) -> Taken<T> {
        std::mem::take(&mut self.shared.lock().waiting)
    }
}

/// Two buffers take turns, so that neither side allocates while the queue is in use.
fn take_lane<T>(waiting: &mut VecDeque<T>, taken: &mut VecDeque<T>) {
    if taken.is_empty() {
        std::mem::swap(waiting, taken);
    } else {
        taken.append(waiting);
    }
}

impl<T> Taken<T> {
    /// True if nothing is on either lane.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.second.is_empty()
    }
}

impl<T> Default for Taken<T> {
    fn default() -> Self {
        Self {
            first: VecDeque::new(),
            second: VecDeque::new(),
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self {
            shared: Arc::clone(&self.shared),
            lane: self.lane,
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.senders -= 1;
        let last = state.senders == 0;
        drop(state);
        if last {
            self.shared.filled.notify_one();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receiver_gone = true;
        let dropped = std::mem::take(&mut state.waiting);
        // What waits may hold a sender of this queue: never drop it under the lock.
        drop(state);
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_keeps_its_order() {
        let (first, second, receiver) = two_lanes();
        second.send(10).unwrap();
        first.send(1).unwrap();
        second.send(11).unwrap();
        first.send(2).unwrap();
        let mut taken = Taken::default();
        assert!(receiver.take(&mut taken, None));
        assert_eq!(taken.first, [1, 2]);
        assert_eq!(taken.second, [10, 11]);
    }

    #[test]
    fn a_sleeper_is_woken_by_either_lane() {
        let (first, second, receiver) = two_lanes();
        for sender in [first, second] {
            let thread = std::thread::spawn(move || sender.send(7).unwrap());
            let mut taken = Taken::default();
            assert!(receiver.take(&mut taken, None));
            assert_eq!(taken.first.len() + taken.second.len(), 1);
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_wait_that_is_over_takes_nothing() {
        let (_sender, receiver) = one_lane::<u8>();
        let mut taken = Taken::default();
        assert!(receiver.take(&mut taken, Some(Duration::from_micros(1))));
        assert!(taken.is_empty());
    }

    #[test]
    fn what_was_sent_before_the_last_sender_went_is_still_taken() {
        let (sender, receiver) = one_lane();
        sender.clone().send(1).unwrap();
        drop(sender);
        let mut taken = Taken::default();
        assert!(receiver.take(&mut taken, None));
        assert_eq!(taken.first, [1]);
        taken.first.clear();
        assert!(!receiver.take(&mut taken, None));
    }

    #[test]
    fn nothing_can_be_sent_to_a_receiver_that_is_gone() {
        let (sender, receiver) = one_lane();
        drop(receiver);
        assert_eq!(sender.send(1), Err(Gone));
    }
}
