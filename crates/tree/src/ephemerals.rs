//! Which nodes end with which session. Knows paths, not nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use zareba_model::{SessionId, ZnodePath};

/// Paths of nodes that have an owner, by owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ephemerals(BTreeMap<SessionId, BTreeSet<ZnodePath>>);

impl Ephemerals {
    pub(crate) fn insert(&mut self, owner: SessionId, path: ZnodePath) {
        if !owner.is_none() {
            self.0.entry(owner).or_default().insert(path);
        }
    }

    pub(crate) fn remove(&mut self, owner: SessionId, path: &ZnodePath) {
        if let Some(paths) = self.0.get_mut(&owner) {
            paths.remove(path);
            if paths.is_empty() {
                self.0.remove(&owner);
            }
        }
    }

    /// At and below a path and behind another, in order, at most `limit`; of one owner or of all.
    pub(crate) fn page(
        &self,
        owner: Option<SessionId>,
        under: &ZnodePath,
        after: Option<&ZnodePath>,
        limit: usize,
    ) -> Vec<ZnodePath> {
        let owners = self
            .0
            .iter()
            .filter(|(of, _)| owner.is_none_or(|owner| owner == **of));
        // The first ones of each owner are enough to find the first ones of all.
        let firsts = owners.flat_map(|(_, paths)| {
            let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
            let from = paths.range::<ZnodePath, _>((behind, Bound::Unbounded));
            from.filter(|path| path.is_within(under)).take(limit)
        });
        let mut found: Vec<_> = firsts.cloned().collect();
        found.sort_unstable();
        found.truncate(limit);
        found
    }

    pub(crate) fn of(&self, owner: SessionId) -> impl Iterator<Item = &ZnodePath> {
        self.0.get(&owner).into_iter().flatten()
    }
}
