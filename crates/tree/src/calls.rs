//! Parked calls: commands that are answered later. Knows neither their sessions nor their plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use zareba_model::{CallId, ParkedCall, ZnodePath};

use crate::digest::{self, Digest, Tag};

/// Parked calls by id, with the orders they are searched in.
///
/// Invariant: every index holds exactly the calls of `by_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    by_id: BTreeMap<CallId, ParkedCall>,
    by_tag: BTreeMap<ZnodePath, BTreeMap<String, BTreeSet<CallId>>>,
    at_mount: BTreeMap<ZnodePath, usize>,
    deadlines: BTreeSet<(u64, CallId)>,
}

impl Calls {
    pub(crate) fn insert(&mut self, call: ParkedCall, digest: &mut Digest) {
        self.remove(call.id, digest);
        digest.add(hash(&call));
        let tags = self.by_tag.entry(call.mount.clone()).or_default();
        tags.entry(call.tag.clone()).or_default().insert(call.id);
        *self.at_mount.entry(call.mount.clone()).or_default() += 1;
        if let Some(deadline) = call.deadline {
            self.deadlines.insert((deadline, call.id));
        }
        self.by_id.insert(call.id, call);
    }

    pub(crate) fn remove(&mut self, id: CallId, digest: &mut Digest) -> Option<ParkedCall> {
        let call = self.by_id.remove(&id)?;
        digest.subtract(hash(&call));
        if let Some(deadline) = call.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if let Some(tags) = self.by_tag.get_mut(&call.mount) {
            if let Some(ids) = tags.get_mut(&call.tag) {
                ids.remove(&id);
                if ids.is_empty() {
                    tags.remove(&call.tag);
                }
            }
            if tags.is_empty() {
                self.by_tag.remove(&call.mount);
            }
        }
        if let Some(count) = self.at_mount.get_mut(&call.mount) {
            *count -= 1;
            if *count == 0 {
                self.at_mount.remove(&call.mount);
            }
        }
        Some(call)
    }

    pub(crate) fn get(&self, id: CallId) -> Option<&ParkedCall> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ParkedCall> {
        self.by_id.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Calls that wait for a tag at a mount, parked behind `after`, in the order they were parked.
    pub(crate) fn with_tag<'a>(
        &'a self,
        mount: &ZnodePath,
        tag: &str,
        after: CallId,
    ) -> impl Iterator<Item = &'a ParkedCall> + use<'a> {
        let ids = self.by_tag.get(mount).and_then(|tags| tags.get(tag));
        ids.into_iter()
            .flat_map(move |ids| ids.range((Bound::Excluded(after), Bound::Unbounded)))
            .filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (u64, CallId)> {
        self.deadlines.iter().copied()
    }

    pub(crate) fn at<'a>(
        &'a self,
        mount: &ZnodePath,
    ) -> impl Iterator<Item = &'a ParkedCall> + use<'a> {
        let tags = self
            .by_tag
            .get(mount)
            .into_iter()
            .flat_map(BTreeMap::values);
        tags.flatten().filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn count_at(&self, mount: &ZnodePath) -> usize {
        self.at_mount.get(mount).copied().unwrap_or(0)
    }

    /// The first call behind `id`.
    pub(crate) fn after(&self, id: Option<CallId>) -> Option<CallId> {
        let next = id.map_or(Some(0), |id| id.0.checked_add(1))?;
        self.by_id.range(CallId(next)..).next().map(|(id, _)| *id)
    }

    pub(crate) fn hash(&self) -> u64 {
        self.by_id.values().map(hash).fold(0, u64::wrapping_add)
    }
}

fn hash(call: &ParkedCall) -> u64 {
    digest::hash_of(Tag::Call, call)
}
