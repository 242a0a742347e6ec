//! Which nodes end with which session. Knows paths, not nodes.

use std::collections::{BTreeMap, BTreeSet};

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

    pub(crate) fn of(&self, owner: SessionId) -> impl Iterator<Item = &ZnodePath> {
        self.0.get(&owner).into_iter().flatten()
    }
}
