//! Up to which transaction the session has been told everything, so that it is told nothing twice and
//! misses nothing when it moves to another server. Knows no watch and no connection.
//!
//! A server tells the events of a transaction one by one, and answers behind them: an answer that names a
//! transaction proves that all events up to it have come, an event proves that only of those before its
//! own transaction. So the events of the newest one are remembered, to be left out when the next server
//! tells that transaction again.
//!
//! What a server has to tell right behind its welcome may be any mixture of old events, or guesses if
//! nobody remembers them. They are held until its first answer says that they are complete, and thrown
//! away if the connection breaks before: the next server tells them all again. A server remembers no more
//! than [`zareba_model::limits::EVENTS_REMEMBERED_MAX`], which bounds what is held.

use zareba_model::{Event, Zxid};

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The newest state of the tree that was seen.
    seen: Zxid,
    /// All events up to here have been told.
    told: Zxid,
    /// Events of the transaction behind `told` that have been told already.
    partial: Vec<Event>,
    /// What has come since the welcome, until the first answer.
    held: Option<Vec<Event>>,
}

impl Progress {
    /// Nothing was seen yet.
    pub(crate) fn new() -> Self {
        Self {
            seen: Zxid::ZERO,
            told: Zxid::ZERO,
            partial: Vec::new(),
            held: None,
        }
    }

    /// The newest state of the tree that was seen.
    pub(crate) fn seen(&self) -> Zxid {
        self.seen
    }

    /// What to say to the next server: it tells what happened behind it.
    pub(crate) fn told(&self) -> Zxid {
        self.told
    }

    /// A new server has come so far. It tells first what was missed if it knows of watches.
    pub(crate) fn attached(&mut self, zxid: Zxid, knows_watches: bool) {
        self.seen = self.seen.max(zxid);
        self.held = knows_watches.then(Vec::new);
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self) {
        self.held = None;
    }

    /// An event has come; returned if it is to be told now.
    pub(crate) fn event(&mut self, event: Event) -> Option<Event> {
        if let Some(held) = &mut self.held {
            held.push(event);
            return None;
        }
        self.seen = self.seen.max(event.zxid);
        if let Some(zxid) = self.partial.first().map(|event| event.zxid)
            && event.zxid > zxid
        {
            self.told = self.told.max(zxid);
            self.partial.clear();
        }
        self.partial.push(event.clone());
        Some(event)
    }

    /// An answer has come that names a transaction; returned are the events that are to be told before
    /// it.
    pub(crate) fn caught_up(&mut self, zxid: Zxid) -> Vec<Event> {
        let mut before = std::mem::take(&mut self.partial);
        let mut held = self.held.take().unwrap_or_default();
        held.retain(
            |event| match before.iter().position(|known| known == event) {
                Some(place) => {
                    before.swap_remove(place);
                    false
                }
                None => true,
            },
        );
        let newest = held.iter().map(|event| event.zxid).max();
        self.seen = self.seen.max(zxid).max(newest.unwrap_or(Zxid::ZERO));
        self.told = self.told.max(zxid);
        held
    }
}

#[cfg(test)]
mod tests {
    use zareba_model::{EventKind, ZnodePath};

    use super::*;

    fn event(counter: u32, node: &str) -> Event {
        Event {
            path: ZnodePath::parse(node).unwrap(),
            kind: EventKind::Changed,
            zxid: Zxid::new(1, counter),
        }
    }

    #[test]
    fn a_transaction_that_was_told_by_half_is_asked_for_again_and_told_once() {
        let mut progress = Progress::new();
        assert!(progress.caught_up(Zxid::new(1, 3)).is_empty());
        assert!(progress.event(event(5, "/a")).is_some());
        // The same node twice in one transaction is told twice.
        assert!(progress.event(event(5, "/a")).is_some());
        assert_eq!(progress.seen(), Zxid::new(1, 5));
        assert_eq!(progress.told(), Zxid::new(1, 3));
        progress.lost();
        progress.attached(Zxid::new(1, 9), true);
        for (counter, node) in [(5, "/a"), (5, "/a"), (5, "/a"), (5, "/b"), (7, "/a")] {
            assert!(progress.event(event(counter, node)).is_none());
        }
        let told = progress.caught_up(Zxid::new(1, 9));
        assert_eq!(told, [event(5, "/a"), event(5, "/b"), event(7, "/a")]);
        assert_eq!(progress.told(), Zxid::new(1, 9));
    }

    #[test]
    fn an_event_proves_that_the_transactions_before_its_own_were_told() {
        let mut progress = Progress::new();
        assert!(progress.event(event(5, "/a")).is_some());
        assert!(progress.event(event(8, "/a")).is_some());
        assert_eq!(progress.told(), Zxid::new(1, 5));
    }

    #[test]
    fn what_was_missed_is_told_whole_or_asked_for_again() {
        let mut progress = Progress::new();
        progress.caught_up(Zxid::new(1, 3));
        progress.attached(Zxid::new(1, 9), true);
        assert!(progress.event(event(9, "/a")).is_none());
        progress.lost();
        assert_eq!(
            progress.told(),
            Zxid::new(1, 3),
            "half of it may be missing"
        );
        progress.attached(Zxid::new(1, 9), true);
        assert!(progress.event(event(9, "/a")).is_none());
        assert_eq!(progress.caught_up(Zxid::new(1, 9)), [event(9, "/a")]);
        assert!(progress.event(event(10, "/a")).is_some());
    }

    #[test]
    fn a_server_that_knows_no_watches_has_nothing_to_make_up_for() {
        let mut progress = Progress::new();
        progress.attached(Zxid::new(1, 2), false);
        assert!(progress.event(event(4, "/a")).is_some());
    }
}
