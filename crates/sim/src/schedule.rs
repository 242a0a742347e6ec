//! What happens when: a queue of events in simulated time. Knows no event's meaning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events to come, soonest first; those of the same time in the order they were scheduled.
///
/// The heap moves small keys alone; the events stay where they are until it is their turn.
#[derive(Debug)]
pub(crate) struct Schedule<E> {
    /// Microseconds, then the order of scheduling, then the event's place.
    turns: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<E>>,
    /// Places whose event has happened.
    free: Vec<usize>,
    order: u64,
}

impl<E> Schedule<E> {
    pub(crate) fn new() -> Self {
        Self {
            turns: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            order: 0,
        }
    }

    pub(crate) fn at(&mut self, time: u64, event: E) {
        self.order += 1;
        let free = self.free.pop();
        let place = free.unwrap_or(self.events.len());
        match self.events.get_mut(place) {
            Some(slot) => *slot = Some(event),
            None => self.events.push(Some(event)),
        }
        self.turns.push(Reverse((time, self.order, place)));
    }

    pub(crate) fn next(&mut self) -> Option<(u64, E)> {
        let Reverse((time, _, place)) = self.turns.pop()?;
        let event = self.events.get_mut(place)?.take()?;
        self.free.push(place);
        Some((time, event))
    }
}
