//! What has changed since the last checkpoint, oldest first. Knows keys, not what changed.

use std::collections::VecDeque;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use crate::snapshot::RecordKey;

/// Changed keys in two generations: those being taken, and those that changed since. A key stands
/// at most once in each, and nothing that changed early can be overtaken for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dirty {
    taking: VecDeque<RecordKey>,
    fresh: IndexSet<RecordKey, FxBuildHasher>,
}

impl Dirty {
    pub(crate) fn mark(&mut self, key: RecordKey) {
        self.fresh.insert(key);
    }

    pub(crate) fn take(&mut self, max: usize) -> Vec<RecordKey> {
        let mut taken = Vec::with_capacity(max.min(self.len()));
        while taken.len() < max {
            if let Some(key) = self.taking.pop_front() {
                taken.push(key);
                continue;
            }
            // Its room goes with it: after a great change it is a third of the tree's own.
            self.taking = std::mem::take(&mut self.fresh).into_iter().collect();
            if self.taking.is_empty() {
                break;
            }
        }
        taken
    }

    pub(crate) fn len(&self) -> usize {
        self.taking.len() + self.fresh.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_model::SessionId;

    #[test]
    fn keys_are_taken_once_in_the_order_of_their_first_change() {
        let key = |n| RecordKey::Session(SessionId(n));
        let mut dirty = Dirty::default();
        for n in [3, 1, 3, 2] {
            dirty.mark(key(n));
        }
        assert_eq!(dirty.take(2), [key(3), key(1)]);
        dirty.mark(key(3));
        assert_eq!(dirty.len(), 2);
        assert_eq!(dirty.take(9), [key(2), key(3)]);
        assert_eq!(dirty.take(9), []);
    }

    #[test]
    fn what_has_been_taken_leaves_no_room_behind() {
        let mut dirty = Dirty::default();
        for n in 0..1000 {
            dirty.mark(RecordKey::Session(SessionId(n)));
        }
        while !dirty.take(100).is_empty() {}
        assert_eq!((dirty.taking.capacity(), dirty.fresh.capacity()), (0, 0));
    }
}
