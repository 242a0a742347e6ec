//! What happens when: a queue of events in simulated time. Knows no event's meaning.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events to come, soonest first; those of the same time in the order they were scheduled.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    events: BinaryHeap<Reverse<Scheduled<E>>>,
    order: u64,
}

#[derive(Debug)]
struct Scheduled<E> {
    /// Microseconds, then the order of scheduling.
    at: (u64, u64),
    event: E,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self {
            events: BinaryHeap::new(),
            order: 0,
        }
    }

    pub(crate) fn at(&mut self, time: u64, event: E) {
        self.order += 1;
        let at = (time, self.order);
        self.events.push(Reverse(Scheduled { at, event }));
    }

    pub(crate) fn next(&mut self) -> Option<(u64, E)> {
        let Reverse(next) = self.events.pop()?;
        Some((next.at.0, next.event))
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<E> Eq for Scheduled<E> {}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Scheduled<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
