//! What has changed since the last checkpoint, oldest first. Knows keys, not what changed.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use crate::snapshot::RecordKey;

/// Changed keys in two generations: those being taken, and those that changed since. A key stands
/// at most once in each, and nothing that changed early can be overtaken for ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dirty {
    taking: std::vec::IntoIter<RecordKey>,
    fresh: IndexSet<RecordKey, FxBuildHasher>,
}

impl Dirty {
    pub(crate) fn mark(&mut self, key: RecordKey) {
        self.fresh.insert(key);
    }

    pub(crate) fn take(&mut self, max: usize) -> Vec<RecordKey> {
        let mut taken = Vec::with_capacity(max.min(self.len()));
        while taken.len() < max {
            if let Some(key) = self.taking.next() {
                taken.push(key);
            } else if self.fresh.is_empty() {
                break;
            } else {
                let keys: Vec<_> = std::mem::take(&mut self.fresh).into_iter().collect();
                self.taking = keys.into_iter();
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
}
