//! One table's transactions in flight: what they changed, laid over the table they will change.
//!
//! A change is staged under the zxid its transaction will have. A refused request is rolled back
//! by the journal, a proposed one is committed into the flight, and a delivered one is pruned
//! because the table itself has it now. Knows nothing of what it holds.

use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, RangeBounds};

use zareba_model::Zxid;

/// Changes over a table with keys `K`; a slot without a value says that the key is gone.
#[derive(Debug)]
pub(crate) struct Layer<K, V> {
    slots: BTreeMap<K, Slot<V>>,
    journal: Vec<(K, Option<Slot<V>>)>,
    flight: VecDeque<(Zxid, K)>,
    hidden: bool,
}

#[derive(Debug)]
struct Slot<V> {
    zxid: Zxid,
    value: Option<V>,
}

impl<K, V> Default for Layer<K, V> {
    fn default() -> Self {
        Self {
            slots: BTreeMap::new(),
            journal: Vec::new(),
            flight: VecDeque::new(),
            hidden: false,
        }
    }
}

impl<K: Ord + Clone, V> Layer<K, V> {
    /// What a transaction in flight made of the key: `None` if none touched it, `Some(None)` if
    /// it is gone.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Option<&V>>
    where
        K: Borrow<Q>,
    {
        if self.hidden {
            return None;
        }
        self.slots.get(key).map(|slot| slot.value.as_ref())
    }

    /// True if a transaction in flight has put a value for any key of the range.
    pub(crate) fn any_in(&self, range: impl RangeBounds<K>) -> bool {
        !self.hidden
            && self
                .slots
                .range(range)
                .any(|(_, slot)| slot.value.is_some())
    }

    /// How many keys transactions in flight touch.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if no transaction in flight touches the table.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Hides what is in flight from readers, or shows it again: a query sees committed state only.
    pub(crate) fn hide(&mut self, hidden: bool) {
        self.hidden = hidden;
    }

    /// Stages a change.
    pub(crate) fn put(&mut self, key: K, value: Option<V>, zxid: Zxid) {
        let before = self.slots.insert(key.clone(), Slot { zxid, value });
        self.journal.push((key, before));
    }

    /// Names this point of the staging.
    pub(crate) fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Takes back what was staged since the mark.
    pub(crate) fn rollback(&mut self, mark: usize) {
        while self.journal.len() > mark {
            let Some((key, before)) = self.journal.pop() else {
                break;
            };
            match before {
                Some(slot) => self.slots.insert(key, slot),
                None => self.slots.remove(&key),
            };
        }
    }

    /// What is staged is proposed now, in the transaction `zxid`.
    pub(crate) fn commit(&mut self, zxid: Zxid) {
        self.flight
            .extend(self.journal.drain(..).map(|(key, _)| (zxid, key)));
    }

    /// Transactions up to `applied` are in the table itself.
    pub(crate) fn prune(&mut self, applied: Zxid) {
        while self
            .flight
            .front()
            .is_some_and(|(zxid, _)| *zxid <= applied)
        {
            let Some((_, key)) = self.flight.pop_front() else {
                break;
            };
            if self
                .slots
                .get(&key)
                .is_some_and(|slot| slot.zxid <= applied)
            {
                self.slots.remove(&key);
            }
        }
    }

    /// Forgets everything: this server leads no more.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.journal.clear();
        self.flight.clear();
    }

    /// Keys from `from` on, with what became of them.
    pub(crate) fn range_from(&self, from: Bound<K>) -> impl Iterator<Item = (&K, Option<&V>)> {
        let shown = !self.hidden;
        self.slots
            .range((from, Bound::Unbounded))
            .take_while(move |_| shown)
            .map(|(key, slot)| (key, slot.value.as_ref()))
    }

    /// All keys touched, with what became of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        let shown = !self.hidden;
        self.slots
            .iter()
            .take_while(move |_| shown)
            .map(|(key, slot)| (key, slot.value.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollback_restores_what_an_earlier_transaction_in_flight_left() {
        let mut layer = Layer::<u32, &str>::default();
        layer.put(1, Some("first"), Zxid::new(1, 1));
        layer.commit(Zxid::new(1, 1));
        let mark = layer.mark();
        layer.put(1, None, Zxid::new(1, 2));
        layer.put(2, Some("x"), Zxid::new(1, 2));
        assert_eq!(layer.get(&1), Some(None));
        layer.rollback(mark);
        assert_eq!(layer.get(&1), Some(Some(&"first")));
        assert_eq!(layer.get(&2), None);
    }

    #[test]
    fn prune_keeps_what_a_later_transaction_changed_again() {
        let mut layer = Layer::<u32, &str>::default();
        for counter in 1..=2 {
            layer.put(1, Some("value"), Zxid::new(1, counter));
            layer.commit(Zxid::new(1, counter));
        }
        layer.prune(Zxid::new(1, 1));
        assert!(layer.get(&1).is_some());
        layer.prune(Zxid::new(1, 2));
        assert!(layer.get(&1).is_none());
    }
}
