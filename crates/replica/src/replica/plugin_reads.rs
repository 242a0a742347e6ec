//! What this server says of plugins by itself: queries, what a call would come to, what it has seen.
//! Changes nothing.

use bytes::Bytes;
use zareba_model::limits::PLUGIN_LOG_PAGE_MAX;
use zareba_model::{
    Answer, CallId, ErrorCode, Explained, ExplainedAnswer, Fault, Mount, MountStats, Outcome,
    Permissions, Principal, ReadAnswer, ReadOutcome, SessionId, ZnodePath, Zxid,
};

use super::Replica;
use crate::guest_call::{self, Called, Desk};
use crate::plugin::{Caller, GuestAnswer, GuestEntry, GuestFailure, PluginRuntime};

impl<P: PluginRuntime> Replica<P> {
    /// The mount there, if that operation of its plugin is a query.
    pub(super) fn query_mount(&self, path: &ZnodePath, op: &str) -> Option<Mount> {
        let (mount, read_only) = self.described(path, op).ok()?;
        read_only.then(|| mount.clone())
    }

    /// A mount, and whether that operation of its plugin is a query.
    fn described(&self, path: &ZnodePath, op: &str) -> Result<(&Mount, bool), Fault> {
        let tree = &self.world.tree;
        let Some(mount) = tree.mount(path.as_str()) else {
            let why = format!("no plugin is mounted at {path}");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        };
        let plugin = tree.plugin(&mount.plugin);
        let revision = plugin.and_then(|plugin| plugin.revision(&mount.revision));
        match revision.and_then(|revision| revision.description.op(op)) {
            Some(op) => Ok((mount, op.read_only)),
            None => {
                let why = format!(
                    "the plugin {} at {path} has no operation {op:?}",
                    mount.plugin
                );
                Err(Fault::new(ErrorCode::NoPlugin, why))
            }
        }
    }

    pub(super) fn query(
        &mut self,
        session: SessionId,
        path: &ZnodePath,
        op: String,
        input: Bytes,
    ) -> Answer {
        let Some(mount) = self.query_mount(path, &op) else {
            let why = format!("the plugin at {path} was unmounted or changed meanwhile");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        };
        let caller = self.caller(session, path, Permissions::READ)?;
        self.world.show_committed_only(true);
        let entry = GuestEntry::Query { op, input };
        let result = guest_call::run(self.desk(), &mount, caller, entry);
        self.world.show_committed_only(false);
        match result {
            Ok(GuestAnswer::Done(value)) => Ok(Outcome::Called(value)),
            Ok(GuestAnswer::Park { .. }) => {
                Err(Fault::new(ErrorCode::PluginTrap, "a query cannot park"))
            }
            Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) => Err(fault),
        }
    }

    /// Runs a call over what is here, and takes all of it back.
    pub(super) fn explain(
        &mut self,
        session: SessionId,
        path: &ZnodePath,
        op: String,
        input: Bytes,
    ) -> Answer {
        let (mount, read_only) = self.described(path, &op)?;
        let mount = mount.clone();
        let (wanted, entry) = match read_only {
            true => (Permissions::READ, GuestEntry::Query { op, input }),
            false => (Permissions::WRITE, GuestEntry::Command { op, input }),
        };
        let mut caller = self.caller(session, path, wanted)?;
        let before = (self.world.zxid, self.world.time);
        let zxid = self.zab.next_zxid().unwrap_or_else(|| {
            let applied = self.world.tree.applied();
            Zxid::new(applied.epoch.0, applied.counter.saturating_add(1))
        });
        let time = self.time();
        self.world.begin(zxid, time);
        caller.call = CallId(zxid.to_u64());
        let called = guest_call::try_out(self.desk(), &mount, caller, entry);
        let effects = self.world.take_effects();
        self.world.abort();
        (self.world.zxid, self.world.time) = before;
        Ok(Outcome::Explained(Box::new(explained(called, effects))))
    }

    fn desk(&mut self) -> Desk<'_, P> {
        Desk {
            world: &mut self.world,
            stand_in: &mut self.stand_in,
            plugins: &mut self.plugins,
            seen: &mut self.seen,
            seed: self.config.seed,
        }
    }

    /// Who calls, if they may.
    fn caller(
        &self,
        session: SessionId,
        path: &ZnodePath,
        wanted: Permissions,
    ) -> Result<Caller, Fault> {
        let principals = self.held.get(session).map(|held| held.principals.clone());
        let principals = principals.unwrap_or_default();
        self.may(path, &principals, wanted)?;
        Ok(Caller {
            session,
            principals,
            ..Caller::default()
        })
    }

    fn may(
        &self,
        mount: &ZnodePath,
        principals: &[Principal],
        wanted: Permissions,
    ) -> Result<(), Fault> {
        match self.world.tree.node(mount.as_str()) {
            Some(node) => zareba_tree::acl::check(node.acl(), principals, wanted),
            None => Ok(()),
        }
    }

    /// What was seen of the plugin at a mount, or of all that they may read.
    pub(super) fn plugin_stats(
        &self,
        wanted: Option<&ZnodePath>,
        principals: &[Principal],
    ) -> ReadAnswer {
        let tree = &self.world.tree;
        if let Some(path) = wanted {
            self.may(path, principals, Permissions::READ)?;
            let Some(mount) = tree.mount(path.as_str()) else {
                let why = format!("no plugin is mounted at {path}");
                return Err(Fault::new(ErrorCode::NoPlugin, why));
            };
            return Ok(ReadOutcome::PluginStats(vec![self.stats_of(mount)]));
        }
        let readable = tree
            .mounts()
            .filter(|mount| self.may(&mount.path, principals, Permissions::READ).is_ok());
        let all = readable.map(|mount| self.stats_of(mount));
        Ok(ReadOutcome::PluginStats(all.collect()))
    }

    fn stats_of(&self, mount: &Mount) -> MountStats {
        let tree = &self.world.tree;
        let parked = tree.parked_at(&mount.path) as u64;
        let since = tree.parked_calls_at(&mount.path).map(|call| call.since);
        let seen = self.seen.mount(&mount.path);
        MountStats {
            mount: mount.path.clone(),
            plugin: mount.plugin.clone(),
            revision: mount.revision,
            ready: self.plugins.is_ready(&mount.revision),
            parked,
            oldest_parked: since.min(),
            time: tree.time(),
            throttled: seen.map_or(0, |seen| seen.throttled),
            ops: seen.map(|seen| seen.ops()).unwrap_or_default(),
            metrics: self.plugins.metrics(&mount.revision),
        }
    }

    /// What plugins have logged here, of the mounts that they may read.
    pub(super) fn plugin_log(
        &self,
        wanted: Option<&ZnodePath>,
        after: u64,
        principals: &[Principal],
    ) -> ReadAnswer {
        if let Some(path) = wanted {
            self.may(path, principals, Permissions::READ)?;
        }
        let (lines, last) = self.seen.lines(after, PLUGIN_LOG_PAGE_MAX, |line| {
            wanted.is_none_or(|wanted| line.mount == *wanted)
                && self.may(&line.mount, principals, Permissions::READ).is_ok()
        });
        Ok(ReadOutcome::PluginLog { lines, last })
    }
}

fn explained(called: Called, effects: Vec<zareba_model::Effect>) -> Explained {
    let Called { result, cost, log } = called;
    let answer = match result {
        Ok(GuestAnswer::Done(value)) => Ok(ExplainedAnswer::Done(value)),
        Ok(GuestAnswer::Park { tag, timeout_ms }) => Ok(ExplainedAnswer::Parks { tag, timeout_ms }),
        Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) => Err(fault),
    };
    // What a call that fails has staged is never done.
    let effects = if answer.is_ok() { effects } else { Vec::new() };
    Explained {
        answer,
        effects,
        cost,
        log,
    }
}
