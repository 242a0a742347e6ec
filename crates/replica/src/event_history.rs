//! What happened to nodes lately, for watches that begin in the past or whose clients were away.
//!
//! Never pretends: whoever asks for more than is remembered is told so. Must never know a session.

use std::collections::VecDeque;

use zareba_model::limits::EVENTS_REMEMBERED_MAX;
use zareba_model::{Acl, Event, Zxid};
use zareba_tree::NodeChange;

/// The last events, in order.
#[derive(Debug)]
pub(crate) struct EventHistory {
    events: VecDeque<(Event, Acl)>,
    /// All that happened behind this transaction is here.
    since: Zxid,
}

impl EventHistory {
    /// Nothing is known of what came up to `since`.
    pub(crate) fn new(since: Zxid) -> Self {
        Self {
            events: VecDeque::new(),
            since,
        }
    }

    /// One transaction's changes. Those of a tree that was not whole before it may leave out what its
    /// image held already: then whatever came up to here is forgotten.
    pub(crate) fn push(&mut self, zxid: Zxid, changes: Vec<NodeChange>, was_whole: bool) {
        if !was_whole {
            *self = Self::new(zxid);
            return;
        }
        for NodeChange { path, kind, acl } in changes {
            if self.events.len() == EVENTS_REMEMBERED_MAX
                && let Some((oldest, _)) = self.events.pop_front()
            {
                self.since = oldest.zxid;
            }
            self.events.push_back((Event { path, kind, zxid }, acl));
        }
    }

    /// What happened behind a transaction, with who may be told; `None` if that is not remembered.
    pub(crate) fn behind(&self, zxid: Zxid) -> Option<impl Iterator<Item = &(Event, Acl)>> {
        if zxid < self.since {
            return None;
        }
        let first = self.events.partition_point(|(event, _)| event.zxid <= zxid);
        Some(self.events.range(first..))
    }
}

#[cfg(test)]
mod tests {
    use zareba_model::{EventKind, ZnodePath};

    use super::*;

    fn change(path: &str) -> NodeChange {
        NodeChange {
            path: ZnodePath::parse(path).unwrap(),
            kind: EventKind::Changed,
            acl: Acl::open(),
        }
    }

    fn told(history: &EventHistory, counter: u32) -> Option<Vec<u32>> {
        let behind = history.behind(Zxid::new(1, counter))?;
        Some(behind.map(|(event, _)| event.zxid.counter).collect())
    }

    #[test]
    fn what_is_forgotten_is_never_passed_over_in_silence() {
        let mut history = EventHistory::new(Zxid::new(1, 3));
        history.push(Zxid::new(1, 4), vec![change("/a"), change("/b")], true);
        history.push(Zxid::new(1, 6), vec![change("/a")], true);
        assert_eq!(told(&history, 2), None);
        assert_eq!(told(&history, 3), Some(vec![4, 4, 6]));
        assert_eq!(told(&history, 4), Some(vec![6]));
        assert_eq!(told(&history, 9), Some(vec![]));
        history.push(Zxid::new(1, 7), vec![change("/a")], false);
        assert_eq!((told(&history, 6), told(&history, 7)), (None, Some(vec![])));
    }

    #[test]
    fn the_oldest_are_forgotten_first_and_a_transaction_never_by_halves() {
        let mut history = EventHistory::new(Zxid::ZERO);
        history.push(Zxid::new(1, 1), vec![change("/a"), change("/b")], true);
        for counter in 2..=EVENTS_REMEMBERED_MAX as u32 {
            history.push(Zxid::new(1, counter), vec![change("/a")], true);
        }
        assert_eq!(history.events.len(), EVENTS_REMEMBERED_MAX);
        assert!(
            history.behind(Zxid::ZERO).is_none(),
            "half of the first one is gone"
        );
        let behind = told(&history, 1).unwrap();
        assert_eq!((behind.len(), behind[0]), (EVENTS_REMEMBERED_MAX - 1, 2));
    }
}
