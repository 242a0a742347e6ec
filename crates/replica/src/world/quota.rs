//! How much subtrees hold, with the transactions in flight counted in: what a hard limit is compared
//! with. Decides about nothing else.

use zareba_model::{Effect, ErrorCode, Fault, Quota, Usage, ZnodePath};

use super::World;
use crate::bug::Bug;

impl World {
    /// A quota, if there is one for exactly this path.
    pub(crate) fn quota(&self, path: &str) -> Option<Quota> {
        match self.quotas.get(path) {
            Some(pending) => pending.copied(),
            None => self.tree.quota(path).map(|(quota, _)| quota),
        }
    }

    /// How many quotas there are.
    pub(crate) fn quota_count(&self) -> usize {
        let in_flight = self.quotas.iter().filter(|(_, quota)| quota.is_some());
        self.tree.quotas().count() + in_flight.count()
    }

    /// Sets or takes away a quota.
    pub(crate) fn stage_quota(&mut self, path: &ZnodePath, quota: Quota) {
        if quota.is_none() {
            self.quotas.put(path.clone(), None, self.zxid);
            self.usages.put(path.clone(), None, self.zxid);
        } else {
            let usage = self.usage(path);
            self.usages.put(path.clone(), Some(usage), self.zxid);
            self.quotas.put(path.clone(), Some(quota), self.zxid);
        }
        self.effects.push(Effect::SetQuota {
            path: path.clone(),
            quota,
        });
    }

    /// Stages that a node counts for something else than before; refuses what a hard limit forbids, if
    /// it is more than before.
    pub(crate) fn charge(
        &mut self,
        path: &ZnodePath,
        before: Usage,
        after: Usage,
    ) -> Result<(), Fault> {
        if !self.tree.has_quotas() && self.quotas.is_empty() {
            return Ok(());
        }
        // All or nothing: a guest goes on behind a refusal.
        let mut charged = Vec::new();
        for above in path.ancestry() {
            let Some(quota) = self.quota(above) else {
                continue;
            };
            let used = match self.usages.get(above) {
                Some(_) if self.has_bug(Bug::QuotaIgnoresInFlight) => self
                    .tree
                    .quota(above)
                    .map_or_else(Usage::default, |it| it.1),
                Some(pending) => pending.copied().unwrap_or_default(),
                None => self
                    .tree
                    .quota(above)
                    .map_or_else(Usage::default, |(_, usage)| usage),
            };
            let usage = Usage {
                nodes: (used.nodes + after.nodes).saturating_sub(before.nodes),
                bytes: (used.bytes + after.bytes).saturating_sub(before.bytes),
            };
            let grows = usage.nodes > used.nodes || usage.bytes > used.bytes;
            if grows && quota.forbids(usage) {
                return Err(exceeded(path, above, quota, usage));
            }
            if let Ok(above) = ZnodePath::parse(above) {
                charged.push((above, usage));
            }
        }
        for (above, usage) in charged {
            self.usages.put(above, Some(usage), self.zxid);
        }
        Ok(())
    }

    /// Counted over the tree, then corrected by what is in flight.
    fn usage(&self, path: &ZnodePath) -> Usage {
        let mut usage = self.tree.usage(path.as_str());
        let touched = self.nodes.iter().filter(|(at, _)| at.is_within(path));
        for (at, pending) in touched {
            let applied = self.tree.node(at.as_str());
            let applied = applied.map(|node| node.data_slice().len() as u64);
            usage.nodes += u64::from(pending.is_some());
            usage.bytes += pending.map_or(0, |node| node.data.len() as u64);
            usage.nodes -= u64::from(applied.is_some());
            usage.bytes -= applied.unwrap_or(0);
        }
        usage
    }
}

fn exceeded(path: &ZnodePath, above: &str, quota: Quota, usage: Usage) -> Fault {
    let limit = |hard: Option<u64>| hard.map_or_else(|| "any".to_owned(), |hard| hard.to_string());
    let why = format!(
        "{path} would make {above} hold {} nodes and {} bytes; its quota allows {} nodes and {} bytes: \
         delete something, or ask for a larger quota",
        usage.nodes,
        usage.bytes,
        limit(quota.nodes_hard),
        limit(quota.bytes_hard),
    );
    Fault::new(ErrorCode::QuotaExceeded, why)
}
