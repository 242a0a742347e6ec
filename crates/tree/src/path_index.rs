//! From a path's hash to the node that may have it, in constant time. Holds ids and parts of
//! hashes only; whether a node really has the path is for the caller to say. Its order is never
//! observed.

use crate::nodes::NodeId;

/// Open addressing with linear probing, eight bytes a slot, at most three quarters full.
///
/// Invariant: no free slot lies between an entry's home and its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathIndex {
    slots: Vec<Slot>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The low half of the path's hash: its home, up to 2^32 slots, and a first comparison.
    hash: u32,
    /// [`FREE`] or an id.
    id: u32,
}

const FREE: u32 = u32::MAX;
const EMPTY: Slot = Slot { hash: 0, id: FREE };

impl PathIndex {
    /// The id with this hash that `is_it` accepts.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let hash = hash as u32;
        let mut at = self.home(hash);
        loop {
            let slot = self.slots.get(at)?;
            if slot.id == FREE {
                return None;
            }
            if slot.hash == hash && is_it(NodeId(slot.id)) {
                return Some(NodeId(slot.id));
            }
            at = self.after(at);
        }
    }

    /// Adds an id that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, id: NodeId) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.len += 1;
        self.place(Slot {
            hash: hash as u32,
            id: id.0,
        });
    }

    /// Takes an id out, and moves up what stood behind it so that no gap remains.
    pub(crate) fn remove(&mut self, hash: u64, id: NodeId) {
        let mut gap = self.home(hash as u32);
        loop {
            let Some(slot) = self.slots.get(gap) else {
                return;
            };
            if slot.id == FREE {
                return;
            }
            if slot.id == id.0 {
                break;
            }
            gap = self.after(gap);
        }
        self.len -= 1;
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = gap;
        loop {
            at = self.after(at);
            let moved = self.slots.get(at).copied().unwrap_or(EMPTY);
            if moved.id == FREE {
                break;
            }
            let from_home = at.wrapping_sub(self.home(moved.hash)) & mask;
            let from_gap = at.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.put(gap, moved);
                gap = at;
            }
        }
        self.put(gap, EMPTY);
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; size]);
        for slot in old {
            if slot.id != FREE {
                self.place(slot);
            }
        }
    }

    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.hash);
        while self.slots.get(at).is_some_and(|there| there.id != FREE) {
            at = self.after(at);
        }
        self.put(at, slot);
    }

    fn put(&mut self, at: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & self.slots.len().wrapping_sub(1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & self.slots.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_until_they_are_removed_even_when_hashes_collide() {
        let mut index = PathIndex::default();
        let hash = |id: u32| u64::from(id % 7);
        for id in 0..500 {
            index.insert(hash(id), NodeId(id));
        }
        for id in (0..500).step_by(3) {
            index.remove(hash(id), NodeId(id));
        }
        for id in 0..500 {
            let found = index.find(hash(id), |other| other.0 == id);
            assert_eq!(found.is_some(), id % 3 != 0, "{id}");
        }
    }
}
