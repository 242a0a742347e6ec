//! Plugins' alarms, by name and by when they ring. Knows no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use zareba_model::{Timer, ZnodePath};

use crate::digest::{self, Digest, Tag};

/// Timers by mount and tag, and in the order they ring.
///
/// Invariant: `by_due` holds exactly the timers of `by_name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timers {
    by_name: BTreeMap<ZnodePath, BTreeMap<String, Timer>>,
    by_due: BTreeSet<(u64, ZnodePath, String)>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, digest: &mut Digest) {
        self.clear(&timer.mount, &timer.tag, digest);
        digest.add(hash(&timer));
        self.by_due
            .insert((timer.due, timer.mount.clone(), timer.tag.clone()));
        let tags = self.by_name.entry(timer.mount.clone()).or_default();
        tags.insert(timer.tag.clone(), timer);
    }

    /// True if it was there.
    pub(crate) fn clear(&mut self, mount: &ZnodePath, tag: &str, digest: &mut Digest) -> bool {
        let Some(tags) = self.by_name.get_mut(mount) else {
            return false;
        };
        let Some(timer) = tags.remove(tag) else {
            return false;
        };
        if tags.is_empty() {
            self.by_name.remove(mount);
        }
        digest.subtract(hash(&timer));
        self.by_due.remove(&(timer.due, timer.mount, timer.tag));
        true
    }

    pub(crate) fn get(&self, mount: &ZnodePath, tag: &str) -> Option<&Timer> {
        self.by_name.get(mount)?.get(tag)
    }

    /// In the order they ring.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Timer> {
        self.by_due
            .iter()
            .filter_map(|(_, mount, tag)| self.get(mount, tag))
    }

    pub(crate) fn at<'a>(&'a self, mount: &ZnodePath) -> impl Iterator<Item = &'a Timer> + use<'a> {
        self.by_name
            .get(mount)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_due.len()
    }

    /// The first timer behind a name.
    pub(crate) fn after(&self, name: Option<(&ZnodePath, &str)>) -> Option<&Timer> {
        let Some((mount, tag)) = name else {
            return self.by_name.values().next()?.values().next();
        };
        let same = self.by_name.get(mount).and_then(|tags| {
            let behind = (Bound::Excluded(tag), Bound::Unbounded);
            tags.range::<str, _>(behind).next()
        });
        if let Some((_, timer)) = same {
            return Some(timer);
        }
        let behind = (Bound::Excluded(mount), Bound::Unbounded);
        self.by_name
            .range::<ZnodePath, _>(behind)
            .next()?
            .1
            .values()
            .next()
    }

    pub(crate) fn hash(&self) -> u64 {
        let timers = self.by_name.values().flat_map(BTreeMap::values);
        timers.map(hash).fold(0, u64::wrapping_add)
    }
}

fn hash(timer: &Timer) -> u64 {
    digest::hash_of(Tag::Timer, timer)
}
