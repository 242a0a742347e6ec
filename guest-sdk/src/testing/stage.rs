//! The host's functions over the nodes in memory, with the faults that a server has, and the limits of a
//! mount. Must never know who calls.

use std::cell::Cell;
use std::panic::resume_unwind;

use super::events;
use super::host::{MemoryHost, NodeState};
use crate::error::{code, refuse};
use crate::{CallId, CreateMode, Event, Fault, Host, Parked, SessionId, Stat};

/// A server's default for one call.
const HOST_CALLS_MAX: u32 = 10_000;
/// The same for staged changes.
const CHANGES_MAX: u32 = 1_000;

/// What a run of the plugin has used, and where it shall trap.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    host_calls: Cell<u32>,
    changes: Cell<u32>,
    is_running: bool,
    pub(super) trap_at: Option<u32>,
}

/// Unwinds out of the plugin, as a trap does: it cannot be caught there.
pub(super) struct Trapped {
    why: &'static str,
    code: i32,
}

impl Trapped {
    pub(super) fn fault(&self) -> Fault {
        refuse(self.code, self.why)
    }
}

impl Budget {
    pub(super) fn begin(&mut self) {
        self.host_calls.set(0);
        self.changes.set(0);
        self.is_running = true;
    }

    pub(super) fn end(&mut self) {
        self.is_running = false;
        self.trap_at = None;
    }

    fn host_call(&self) {
        if !self.is_running {
            return;
        }
        let calls = self.host_calls.get() + 1;
        self.host_calls.set(calls);
        if self.trap_at == Some(calls) {
            trap("trapped, as the test wanted", code::PLUGIN_TRAP);
        }
        if calls > HOST_CALLS_MAX {
            trap("went over the host-call limit", code::PLUGIN_LIMIT);
        }
    }

    fn change(&self) {
        let changes = self.changes.get() + 1;
        self.changes.set(changes);
        if self.is_running && changes > CHANGES_MAX {
            trap("went over the op limit", code::PLUGIN_LIMIT);
        }
    }
}

fn trap(why: &'static str, code: i32) -> ! {
    resume_unwind(Box::new(Trapped { why, code }))
}

impl MemoryHost {
    /// Paths of the nodes of a session.
    pub(super) fn paths_of(&self, session: SessionId) -> Vec<String> {
        let own = self
            .state
            .nodes
            .iter()
            .filter(|(_, node)| node.owner == session);
        own.map(|(path, _)| path.clone()).collect()
    }

    /// Takes a node away and says so.
    pub(super) fn drop_node(&mut self, path: &str) -> Option<Event> {
        let node = self.state.nodes.remove(path)?;
        let transaction = self.transaction;
        let parent = self.parent(path)?;
        parent.pzxid = transaction;
        parent.cversion += 1;
        Some(events::deleted(path, node.owner, node.data))
    }

    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let below = |child: &String| match child.rsplit_once('/') {
            Some((parent, name)) => (parent == path).then(|| name.to_owned()),
            None => path.is_empty().then(|| child.clone()),
        };
        self.state.nodes.keys().filter_map(below).collect()
    }

    fn parent(&mut self, path: &str) -> Option<&mut NodeState> {
        match path.rsplit_once('/') {
            None => Some(&mut self.state.mount),
            Some((parent, _)) => self.state.nodes.get_mut(parent),
        }
    }

    fn node(&self, path: &str) -> Result<&NodeState, Fault> {
        if path.is_empty() {
            return Ok(&self.state.mount);
        }
        check_path(path)?;
        let node = self.state.nodes.get(path);
        node.ok_or_else(|| refuse(code::NO_NODE, format!("no node {path:?}")))
    }

    fn stat(&self, path: &str, node: &NodeState) -> Stat {
        Stat {
            czxid: node.czxid,
            mzxid: node.mzxid,
            pzxid: node.pzxid,
            ctime: node.ctime,
            mtime: node.mtime,
            version: node.version,
            cversion: node.cversion,
            aversion: 0,
            ephemeral_owner: node.owner,
            data_length: u32::try_from(node.data.len()).unwrap_or(u32::MAX),
            num_children: self.names(path).len() as u64,
        }
    }

    fn may_write(&self) -> Result<(), Fault> {
        if self.is_query {
            let why = "a query writes nothing; declare the operation as a command";
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        self.budget.change();
        Ok(())
    }

    /// A node may be given only to the caller, or to a session that is already at home here.
    fn may_own(&self, owner: SessionId) -> Result<(), Fault> {
        if !self.state.sessions.contains(&owner) {
            let why = format!("session {owner} is over; it can own no node");
            return Err(refuse(code::SESSION_EXPIRED, why));
        }
        let mut calls = self.state.parked.values();
        let is_at_home = owner == self.caller
            || calls.any(|call| call.parked.session == owner)
            || self.state.nodes.values().any(|node| node.owner == owner);
        if !is_at_home {
            let why = format!("session {owner} has neither a parked call nor a node here");
            return Err(refuse(code::NO_AUTH, why));
        }
        Ok(())
    }

    fn insert(
        &mut self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        owner: SessionId,
    ) -> Result<String, Fault> {
        self.may_write()?;
        check_path(path)?;
        let is_ephemeral = matches!(
            mode,
            CreateMode::Ephemeral | CreateMode::EphemeralSequential
        );
        let is_sequential = matches!(
            mode,
            CreateMode::PersistentSequential | CreateMode::EphemeralSequential
        );
        if is_ephemeral {
            self.may_own(owner)?;
        }
        let (transaction, now) = (self.transaction, self.now);
        let parent = self.parent(path);
        let parent =
            parent.ok_or_else(|| refuse(code::NO_NODE, format!("no parent of {path:?}")))?;
        if parent.owner != 0 {
            let why = "an ephemeral node cannot have children";
            return Err(refuse(code::NO_CHILDREN_FOR_EPHEMERALS, why));
        }
        let path = match is_sequential {
            true => format!("{path}{:010}", parent.sequence),
            false => path.to_owned(),
        };
        if self.state.nodes.contains_key(&path) {
            return Err(refuse(
                code::NODE_EXISTS,
                format!("{path:?} is there already"),
            ));
        }
        if let Some(parent) = self.parent(&path) {
            parent.sequence += 1;
            parent.cversion += 1;
            parent.pzxid = transaction;
        }
        let node = NodeState {
            data: data.to_vec(),
            owner: if is_ephemeral { owner } else { 0 },
            czxid: transaction,
            mzxid: transaction,
            pzxid: transaction,
            ctime: now,
            mtime: now,
            ..NodeState::default()
        };
        self.state.nodes.insert(path.clone(), node);
        Ok(path)
    }

    fn end_call(&mut self, call: CallId, answer: Result<Vec<u8>, Fault>) -> Result<(), Fault> {
        self.may_write()?;
        if self.state.parked.remove(&call).is_none() {
            let why = format!("no call {call} is parked at this mount");
            return Err(refuse(code::NO_NODE, why));
        }
        self.state.answers.insert(call, answer);
        self.state.answered.push(call);
        Ok(())
    }
}

fn check_path(path: &str) -> Result<(), Fault> {
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let why = format!("{path:?} is not a path below the mount");
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    Ok(())
}

impl Host for MemoryHost {
    fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), Fault> {
        self.budget.host_call();
        let node = self.node(path)?;
        Ok((node.data.clone(), self.stat(path, node)))
    }

    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        self.budget.host_call();
        match self.node(path) {
            Ok(node) => Ok(Some(self.stat(path, node))),
            Err(fault) if fault.code == code::NO_NODE => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn children(
        &mut self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        self.budget.host_call();
        self.node(path)?;
        let behind = |name: &String| after.is_none_or(|after| name.as_str() > after);
        let names = self.names(path).into_iter().filter(behind);
        Ok(names.take(limit as usize).collect())
    }

    fn first_child(&mut self, path: &str, prefix: &str) -> Result<Option<String>, Fault> {
        let names = self.children(path, None, u32::MAX)?;
        Ok(names.into_iter().find(|name| name.starts_with(prefix)))
    }

    fn count_children(&mut self, path: &str) -> Result<u64, Fault> {
        Ok(self.children(path, None, u32::MAX)?.len() as u64)
    }

    fn create(&mut self, path: &str, data: &[u8], mode: CreateMode) -> Result<String, Fault> {
        self.budget.host_call();
        self.insert(path, data, mode, self.caller)
    }

    fn create_owned(
        &mut self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        owner: SessionId,
    ) -> Result<String, Fault> {
        self.budget.host_call();
        self.insert(path, data, mode, owner)
    }

    fn set(&mut self, path: &str, data: &[u8], version: Option<u64>) -> Result<u64, Fault> {
        self.check(path, version)?;
        self.may_write()?;
        let (transaction, now) = (self.transaction, self.now);
        let node = match path {
            "" => Some(&mut self.state.mount),
            _ => self.state.nodes.get_mut(path),
        };
        let node = node.ok_or_else(|| refuse(code::NO_NODE, format!("no node {path:?}")))?;
        node.data = data.to_vec();
        node.version += 1;
        node.mzxid = transaction;
        node.mtime = now;
        Ok(node.version)
    }

    fn delete(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        self.check(path, version)?;
        self.may_write()?;
        if path.is_empty() {
            let why = "a plugin cannot delete its mount";
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        if !self.names(path).is_empty() {
            return Err(refuse(code::NOT_EMPTY, format!("{path:?} has children")));
        }
        self.drop_node(path);
        Ok(())
    }

    fn check(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        self.budget.host_call();
        let found = self.node(path)?.version;
        if version.is_some_and(|wanted| wanted != found) {
            let why = format!("{path:?} has version {found}");
            return Err(refuse(code::BAD_VERSION, why));
        }
        Ok(())
    }

    fn savepoint(&mut self) -> Result<u32, Fault> {
        self.budget.host_call();
        self.savepoints.push(self.state.clone());
        Ok(u32::try_from(self.savepoints.len() - 1).unwrap_or(u32::MAX))
    }

    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault> {
        self.budget.host_call();
        let Some(state) = self.savepoints.get(savepoint as usize) else {
            let why = format!("no savepoint {savepoint} in this call");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        };
        self.state = state.clone();
        self.savepoints.truncate(savepoint as usize + 1);
        Ok(())
    }

    fn complete(&mut self, call: CallId, value: &[u8]) -> Result<(), Fault> {
        self.budget.host_call();
        self.end_call(call, Ok(value.to_vec()))
    }

    fn fail(&mut self, call: CallId, why: &Fault) -> Result<(), Fault> {
        self.budget.host_call();
        self.end_call(call, Err(why.clone()))
    }

    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<Parked>, Fault> {
        self.budget.host_call();
        let calls = self.state.parked.values().map(|it| &it.parked);
        let wanted = calls.filter(|call| call.tag == tag && call.id > after);
        Ok(wanted.take(limit as usize).cloned().collect())
    }

    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault> {
        self.budget.host_call();
        self.may_write()?;
        let due = self.now.saturating_add(delay_ms);
        self.state.timers.insert(tag.to_owned(), due);
        Ok(())
    }

    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault> {
        self.budget.host_call();
        self.may_write()?;
        self.state.timers.remove(tag);
        Ok(())
    }

    fn transaction(&self) -> u64 {
        self.budget.host_call();
        self.transaction
    }

    fn now(&self) -> u64 {
        self.budget.host_call();
        self.now
    }

    fn random(&mut self) -> u64 {
        self.budget.host_call();
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random ^ (self.random >> 31)
    }

    fn config(&self, key: &str) -> Option<String> {
        self.budget.host_call();
        self.config.get(key).cloned()
    }

    fn session_alive(&self, session: SessionId) -> bool {
        self.budget.host_call();
        self.state.sessions.contains(&session)
    }

    fn log(&mut self, level: u8, message: &str) {
        self.log.push((level, message.to_owned()));
    }

    fn count(&mut self, metric: &str, delta: u64) {
        *self.metrics.entry(metric.to_owned()).or_default() += delta as f64;
    }

    fn observe(&mut self, metric: &str, value: f64) {
        self.metrics.insert(metric.to_owned(), value);
    }
}
