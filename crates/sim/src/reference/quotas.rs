//! The model's quotas: what a subtree holds is the sum over its nodes, counted anew each time.

use std::collections::BTreeMap;

use zareba_model::{Quota, Usage, ZnodePath, Zxid};

use super::{Seen, as_of, is_within};

/// A quota and what is used of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) path: ZnodePath,
    pub(crate) quota: Quota,
    pub(crate) usage: Usage,
}

/// All quotas as they are and were.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    now: Vec<Counted>,
    past: Vec<(Zxid, Vec<Counted>)>,
    /// When a soft limit was passed, and of what.
    passed: Vec<(Zxid, ZnodePath)>,
}

impl Quotas {
    pub(super) fn set(
        &mut self,
        path: &ZnodePath,
        quota: Quota,
        zxid: Zxid,
        nodes: &BTreeMap<ZnodePath, Seen>,
    ) {
        self.now.retain(|it| it.path != *path);
        let limits = [
            quota.nodes_soft,
            quota.nodes_hard,
            quota.bytes_soft,
            quota.bytes_hard,
        ];
        if limits.iter().any(Option::is_some) {
            let path = path.clone();
            let usage = sum(&path, nodes);
            self.now.push(Counted { path, quota, usage });
            self.now.sort_by(|one, other| one.path.cmp(&other.path));
        }
        self.past.push((zxid, self.now.clone()));
    }

    /// The nodes have changed.
    pub(super) fn count(&mut self, zxid: Zxid, nodes: &BTreeMap<ZnodePath, Seen>) {
        if self.now.is_empty() {
            return;
        }
        for it in &mut self.now {
            let before = is_warned_of(it);
            it.usage = sum(&it.path, nodes);
            if !before && is_warned_of(it) {
                self.passed.push((zxid, it.path.clone()));
            }
        }
        self.past.push((zxid, self.now.clone()));
    }

    /// Those whose soft limits were passed behind one transaction and up to another, in order, each with
    /// its place among all.
    pub(crate) fn passed(
        &self,
        after: Zxid,
        until: Zxid,
    ) -> impl Iterator<Item = (usize, &ZnodePath)> {
        let from = self.passed.partition_point(|(zxid, _)| *zxid <= after);
        let behind = self.passed.iter().enumerate().skip(from);
        let known = behind.take_while(move |(_, (zxid, _))| *zxid <= until);
        known.map(|(place, (_, path))| (place, path))
    }

    /// As they are, by path.
    pub(crate) fn now(&self) -> &[Counted] {
        &self.now
    }

    /// As they were when `zxid` had been applied.
    pub(crate) fn at(&self, zxid: Zxid) -> &[Counted] {
        as_of(&self.past, zxid).map_or(&[], Vec::as_slice)
    }
}

fn is_warned_of(it: &Counted) -> bool {
    it.quota
        .nodes_soft
        .is_some_and(|most| it.usage.nodes > most)
        || it
            .quota
            .bytes_soft
            .is_some_and(|most| it.usage.bytes > most)
}

fn sum(top: &ZnodePath, nodes: &BTreeMap<ZnodePath, Seen>) -> Usage {
    let within = nodes.iter().filter(|(path, _)| is_within(path, top));
    within.fold(Usage::default(), |usage, (_, seen)| Usage {
        nodes: usage.nodes + 1,
        bytes: usage.bytes + seen.data.len() as u64,
    })
}
