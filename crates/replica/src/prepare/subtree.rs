//! What is asked about a node and everything below it: its end, and how much it may hold.

use zareba_model::limits::{QUOTAS_MAX, SUBTREE_DELETE_MAX};
use zareba_model::{
    Effect, ErrorCode, Fault, Forward, Lifetime, Outcome, Permissions, Quota, ZnodePath,
};

use super::{Prepare, RESERVED};
use crate::bug::Bug;
use crate::change;
use crate::plugin::PluginRuntime;
use crate::world::World;

/// Bytes of paths in one transaction that deletes a subtree: together they stay far below what a
/// transaction may have.
const PATH_BYTES_MAX: usize = 2 << 20;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// Ends a node and what is below it, or as much of that as one transaction may.
    pub(super) fn delete_subtree(
        &mut self,
        forward: &Forward,
        top: &ZnodePath,
    ) -> Result<Outcome, Fault> {
        if top.is_root() {
            let why = "the root cannot be deleted; delete its children one by one";
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        self.may_be_changed(top)?;
        if !self.world.has_node(top.as_str()) {
            return Err(change::no_node(top));
        }
        let (paths, more) = leaves_first(self.world, top);
        for path in &paths {
            let parent = path.parent_str().unwrap_or("/");
            let allowed = self
                .may_be_changed(path)
                .and_then(|()| self.allow(&forward.principals, parent, Permissions::DELETE));
            allowed
                .and_then(|()| change::delete(self.world, path, None))
                .map_err(|fault| {
                    let why = format!(
                        "{path} cannot be deleted, and nothing was: {}",
                        fault.message
                    );
                    Fault::new(fault.code, why)
                })?;
        }
        Ok(Outcome::SubtreeDeleted {
            deleted: paths.len() as u64,
            more,
        })
    }

    /// A node ends by itself. False if it must not: it has been set or given a child meanwhile, or is not
    /// what it was.
    pub(crate) fn end_of_life(&mut self, path: &ZnodePath, time: u64) -> bool {
        let Some(node) = self.world.node(path.as_str()) else {
            return false;
        };
        let is_over = match node.stat.lifetime {
            Lifetime::Ttl(ms) => node.stat.mtime.saturating_add(ms) <= time,
            Lifetime::Container => node.created > 0,
            Lifetime::Persistent | Lifetime::Ephemeral(_) => false,
        };
        let applied = self.world.tree.node(path.as_str());
        let seems_empty = applied.is_some_and(|node| node.stat().num_children == 0);
        if is_over
            && node.stat.num_children > 0
            && seems_empty
            && self.world.has_bug(Bug::ContainerEndsWithChildInFlight)
        {
            self.world
                .stage_effect(Effect::DeleteNode { path: path.clone() });
            return true;
        }
        is_over
            && node.stat.num_children == 0
            && change::delete(self.world, path, Some(node.stat.version)).is_ok()
    }

    /// Limits a subtree. The caller has made sure that the asker may.
    pub(super) fn set_quota(&mut self, path: &ZnodePath, quota: Quota) -> Result<Outcome, Fault> {
        let reserved = path.as_str().strip_prefix(RESERVED);
        if reserved.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let why = format!("{path} holds no nodes that a quota could count");
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        let known = self.world.quota(path.as_str());
        if quota.is_none() {
            if known.is_none() {
                let why = format!("{path} has no quota");
                return Err(Fault::new(ErrorCode::NoNode, why));
            }
        } else {
            if !self.world.has_node(path.as_str()) {
                return Err(change::no_node(path));
            }
            if known.is_none() && self.world.quota_count() >= QUOTAS_MAX {
                let why = format!("there are {QUOTAS_MAX} quotas already; remove one first");
                return Err(Fault::new(ErrorCode::TooLarge, why));
            }
        }
        self.world.stage_quota(path, quota);
        Ok(Outcome::QuotaSet)
    }
}

/// What is to be deleted of a subtree, each node behind all that is below it, up to the limits; and
/// whether that is not all.
fn leaves_first(world: &World, top: &ZnodePath) -> (Vec<ZnodePath>, bool) {
    let mut paths: Vec<ZnodePath> = Vec::new();
    let mut bytes = 0;
    let children = |path: &ZnodePath, room: usize| {
        let names = world.child_names(path, None, "", room + 1);
        names.into_iter()
    };
    let mut open = vec![(top.clone(), children(top, SUBTREE_DELETE_MAX))];
    while let Some((path, names)) = open.last_mut() {
        if paths.len() >= SUBTREE_DELETE_MAX || bytes >= PATH_BYTES_MAX {
            return (paths, true);
        }
        let child = names.next().map(|name| path.join(&name));
        match child {
            // The names of nodes that are there make paths.
            Some(Ok(child)) => {
                let names = children(&child, SUBTREE_DELETE_MAX - paths.len());
                open.push((child, names));
            }
            Some(Err(_)) => {}
            None => {
                if let Some((path, _)) = open.pop() {
                    bytes += path.as_str().len();
                    paths.push(path);
                }
            }
        }
    }
    (paths, false)
}
