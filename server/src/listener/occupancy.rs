//! How many are inside, in all and of each origin: connections from an address, sessions of an identity.
//! Must never know a protocol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts who is inside up to its bounds.
#[derive(Debug)]
pub(crate) struct Occupancy<O: Ord> {
    max: usize,
    per_origin_max: usize,
    inside: Mutex<Inside<O>>,
}

#[derive(Debug)]
struct Inside<O: Ord> {
    total: usize,
    by_origin: BTreeMap<O, usize>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place<O: Ord> {
    occupancy: Arc<Occupancy<O>>,
    origin: O,
}

impl<O: Ord + Clone> Occupancy<O> {
    pub(crate) fn new(max: usize, per_origin_max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            per_origin_max,
            inside: Mutex::new(Inside {
                total: 0,
                by_origin: BTreeMap::new(),
            }),
        })
    }

    /// A place for somebody of that origin, unless a bound is reached.
    pub(crate) fn enter(self: &Arc<Self>, origin: O) -> Option<Place<O>> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.total >= self.max {
            return None;
        }
        let here = inside.by_origin.get(&origin).copied().unwrap_or_default();
        if here >= self.per_origin_max {
            return None;
        }
        inside.by_origin.insert(origin.clone(), here + 1);
        inside.total += 1;
        Some(Place {
            occupancy: Arc::clone(self),
            origin,
        })
    }
}

impl<O: Ord> Drop for Place<O> {
    fn drop(&mut self) {
        let inside = &self.occupancy.inside;
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.total -= 1;
        if let Some(here) = inside.by_origin.get_mut(&self.origin) {
            *here -= 1;
            if *here == 0 {
                inside.by_origin.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_origin_cannot_take_all_places() {
        let occupancy = Occupancy::new(3, 2);
        let first = occupancy.enter(1).unwrap();
        let _second = occupancy.enter(1).unwrap();
        assert!(occupancy.enter(1).is_none());
        let _other = occupancy.enter(2).unwrap();
        assert!(occupancy.enter(3).is_none());
        drop(first);
        assert!(occupancy.enter(3).is_some());
    }

    #[test]
    fn origins_that_left_or_were_refused_are_forgotten() {
        let occupancy = Occupancy::new(3, 1);
        let place = occupancy.enter(1).unwrap();
        assert!(occupancy.enter(1).is_none());
        drop(place);
        assert!(occupancy.inside.lock().unwrap().by_origin.is_empty());
        assert!(occupancy.enter(1).is_some());
    }
}
