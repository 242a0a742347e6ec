//! What happens when: a queue of events in simulated time. Knows no event's meaning.

use std::collections::BTreeMap;

/// An event's place: its time in microseconds, then the order in which events were scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) time: u64,
    order: u64,
}

/// Events to come, soonest first; those of the same time in the order they were scheduled.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    events: BTreeMap<At, E>,
    order: u64,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self {
            events: BTreeMap::new(),
            order: 0,
        }
    }

    pub(crate) fn at(&mut self, time: u64, event: E) {
        self.order += 1;
        let order = self.order;
        self.events.insert(At { time, order }, event);
    }

    pub(crate) fn next(&mut self) -> Option<(u64, E)> {
        self.events.pop_first().map(|(at, event)| (at.time, event))
    }
}
