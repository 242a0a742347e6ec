//! Queues between threads: many may put something in, one takes all there is. Must never know what
//! it carries.
//!
//! A queue has lanes that share one lock and one sleeper, so that a thread with two sources waits
//! for both at once. The one that takes may be a thread or a task. A thread sleeps at once: the usual channels first yield the processor
//! many times over, which on a busy machine costs more than the sleep it is meant to save.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
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
enum Sleeper {
    Thread,
    Task(Waker),
}

#[derive(Debug)]
struct State<T> {
    waiting: Taken<T>,
    /// How to wake the receiver, if it waits.
    sleeper: Option<Sleeper>,
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
        sleeper: None,
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
        let sleeper = state.sleeper.take();
        drop(state);
        self.shared.wake(sleeper);
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// Adds all there is to `taken`, and if there would be nothing waits for something. False if
    /// nobody is left to send.
    pub(crate) fn take(&self, taken: &mut Taken<T>) -> bool {
        let mut state = self.shared.lock();
        loop {
            if let Some(there) = state.take(taken) {
                return there;
            }
            state.sleeper = Some(Sleeper::Thread);
            let woken = self.shared.filled.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The same, but waits no longer than `patience`; none if nothing has come by then.
    pub(crate) fn take_within(&self, taken: &mut Taken<T>, patience: Duration) -> Option<bool> {
        let mut state = self.shared.lock();
        loop {
            if let Some(there) = state.take(taken) {
                return Some(there);
            }
            state.sleeper = Some(Sleeper::Thread);
            let woken = self.shared.filled.wait_timeout(state, patience);
            let (woken, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() {
                state.sleeper = None;
                return state.take(taken);
            }
        }
    }

    /// The same for a task; given up halfway, it has taken nothing.
    pub(crate) async fn take_async(&self, taken: &mut Taken<T>) -> bool {
        poll_fn(|context| {
            let mut state = self.shared.lock();
            match state.take(taken) {
                Some(there) => Poll::Ready(there),
                None => {
                    state.sleeper = Some(Sleeper::Task(context.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Adds what there is now to `taken`; false if that is nothing.
    pub(crate) fn try_take(&self, taken: &mut Taken<T>) -> bool {
        self.shared.lock().take(taken) == Some(true)
    }

    /// All there is now.
    #[cfg(test)]
    pub(crate) fn take_now(&self) -> Taken<T> {
        std::mem::take(&mut self.shared.lock().waiting)
    }
}

impl<T> State<T> {
    /// Adds all there is to `taken`; `None` if there is nothing yet, false if there never will be.
    fn take(&mut self, taken: &mut Taken<T>) -> Option<bool> {
        if taken.is_empty() && self.waiting.is_empty() {
            return (self.senders == 0).then_some(false);
        }
        take_lane(&mut self.waiting.first, &mut taken.first);
        take_lane(&mut self.waiting.second, &mut taken.second);
        Some(true)
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

    fn wake(&self, sleeper: Option<Sleeper>) {
        match sleeper {
            None => {}
            Some(Sleeper::Thread) => self.filled.notify_one(),
            Some(Sleeper::Task(waker)) => waker.wake(),
        }
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
        let sleeper = state.sleeper.take_if(|_| last);
        drop(state);
        self.shared.wake(sleeper);
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
        assert!(receiver.take(&mut taken));
        assert_eq!(taken.first, [1, 2]);
        assert_eq!(taken.second, [10, 11]);
    }

    #[test]
    fn a_sleeper_is_woken_by_either_lane() {
        let (first, second, receiver) = two_lanes();
        for sender in [first, second] {
            let thread = std::thread::spawn(move || sender.send(7).unwrap());
            let mut taken = Taken::default();
            assert!(receiver.take(&mut taken));
            assert_eq!(taken.first.len() + taken.second.len(), 1);
            thread.join().unwrap();
        }
    }

    #[test]
    fn patience_ends_with_nothing_taken_and_what_has_come_is_taken_at_once() {
        let (sender, receiver) = one_lane();
        let mut taken = Taken::default();
        let patience = Duration::from_millis(1);
        assert_eq!(receiver.take_within(&mut taken, patience), None);
        sender.send(7).unwrap();
        assert_eq!(receiver.take_within(&mut taken, patience), Some(true));
        assert_eq!(taken.first.pop_front(), Some(7));
        drop(sender);
        assert_eq!(receiver.take_within(&mut taken, patience), Some(false));
    }

    #[tokio::test]
    async fn a_task_is_woken_by_a_sender_and_by_the_end_of_the_last_one() {
        let (sender, receiver) = one_lane();
        let mut taken = Taken::default();
        let send = async { drop(sender.send(7)) };
        let (there, ()) = tokio::join!(receiver.take_async(&mut taken), send);
        assert!(there);
        assert_eq!(taken.first.pop_front(), Some(7));
        let (there, ()) = tokio::join!(receiver.take_async(&mut taken), async { drop(sender) });
        assert!(!there);
    }

    #[test]
    fn what_was_sent_before_the_last_sender_went_is_still_taken() {
        let (sender, receiver) = one_lane();
        sender.clone().send(1).unwrap();
        drop(sender);
        let mut taken = Taken::default();
        assert!(receiver.take(&mut taken));
        assert_eq!(taken.first, [1]);
        taken.first.clear();
        assert!(!receiver.take(&mut taken));
    }

    #[test]
    fn nothing_can_be_sent_to_a_receiver_that_is_gone() {
        let (sender, receiver) = one_lane();
        drop(receiver);
        assert_eq!(sender.send(1), Err(Gone));
    }
}
