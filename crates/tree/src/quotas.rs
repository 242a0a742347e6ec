//! How much subtrees may hold, and how much they do. Knows paths and sums, not nodes.

use std::collections::BTreeMap;
use std::ops::Bound;

use zareba_model::{Quota, Usage, ZnodePath};

use crate::digest::{self, Digest, Tag};

/// Quotas by the path of their subtree. Usage is computed from the nodes, and no part of the digest.
///
/// Invariant: the usage of a quota is the sum over the nodes at and below its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quotas(BTreeMap<ZnodePath, (Quota, Usage)>);

impl Quotas {
    pub(crate) fn set(
        &mut self,
        path: &ZnodePath,
        quota: Quota,
        usage: Usage,
        digest: &mut Digest,
    ) {
        self.remove(path, digest);
        digest.add(hash(path, quota));
        self.0.insert(path.clone(), (quota, usage));
    }

    pub(crate) fn remove(&mut self, path: &ZnodePath, digest: &mut Digest) {
        if let Some((quota, _)) = self.0.remove(path) {
            digest.subtract(hash(path, quota));
        }
    }

    /// Says what is used, after a count.
    pub(crate) fn recount(&mut self, path: &ZnodePath, usage: Usage) {
        if let Some((_, used)) = self.0.get_mut(path) {
            *used = usage;
        }
    }

    /// A node counts for something else than before. Adds to `passed` the quotas whose soft limit is
    /// passed by that.
    pub(crate) fn charge(
        &mut self,
        path: &ZnodePath,
        before: Usage,
        after: Usage,
        passed: &mut Vec<ZnodePath>,
    ) {
        if self.0.is_empty() {
            return;
        }
        for above in path.ancestry() {
            let Some((quota, usage)) = self.0.get_mut(above) else {
                continue;
            };
            let warned = quota.warns_of(*usage);
            usage.nodes = (usage.nodes + after.nodes).saturating_sub(before.nodes);
            usage.bytes = (usage.bytes + after.bytes).saturating_sub(before.bytes);
            if !warned
                && quota.warns_of(*usage)
                && let Ok(path) = ZnodePath::parse(above)
            {
                passed.push(path);
            }
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<(Quota, Usage)> {
        self.0.get(path).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ZnodePath, Quota, Usage)> {
        self.0
            .iter()
            .map(|(path, (quota, usage))| (path, *quota, *usage))
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &ZnodePath> {
        self.0.keys()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first path with a quota behind another.
    pub(crate) fn after(&self, after: Option<&ZnodePath>) -> Option<ZnodePath> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.0.range::<ZnodePath, _>((start, Bound::Unbounded));
        behind.next().map(|(path, _)| path.clone())
    }

    pub(crate) fn hash(&self) -> u64 {
        let hashes = self.0.iter().map(|(path, (quota, _))| hash(path, *quota));
        hashes.fold(0, u64::wrapping_add)
    }
}

fn hash(path: &ZnodePath, quota: Quota) -> u64 {
    digest::hash_of(Tag::Quota, &(path, quota))
}
