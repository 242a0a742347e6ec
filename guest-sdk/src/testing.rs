//! A host in memory, so that a plugin's logic is tested natively: transactions with roll-back,
//! sessions that end, parked calls that time out. Knows no limits and no access control.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{code, refuse};
use crate::plugin::Watch;
use crate::{CallId, Caller, CreateMode, Event, Fault, Host, Outcome, Parked, Plugin};
use crate::{SessionId, Stat};

/// How a call went on.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Answered.
    Done(Vec<u8>),
    /// Parked under this id; see [`MemoryHost::answer`].
    Parked(CallId),
}

/// Nodes, sessions and parked calls below one mount.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    state: State,
    savepoints: Vec<State>,
    transaction: u64,
    caller: SessionId,
    random: u64,
    /// The time that calls see.
    pub now: u64,
    /// The mount's config.
    pub config: BTreeMap<String, String>,
    /// What was logged, with its level.
    pub log: Vec<(u8, String)>,
    /// Counters, and the last value of each measurement.
    pub metrics: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Default)]
struct State {
    nodes: BTreeMap<String, Node>,
    created_at_root: u64,
    sessions: BTreeSet<SessionId>,
    parked: BTreeMap<CallId, Parked>,
    answers: BTreeMap<CallId, Result<Vec<u8>, Fault>>,
    timers: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    data: Vec<u8>,
    owner: SessionId,
    czxid: u64,
    mzxid: u64,
    ctime: u64,
    mtime: u64,
    version: u64,
    created: u64,
}

impl MemoryHost {
    /// Opens a session and returns it as a caller.
    pub fn open_session(&mut self) -> Caller {
        self.transaction += 1;
        self.state.sessions.insert(self.transaction);
        Caller {
            session: self.transaction,
            principals: vec!["world:anyone".into()],
            call: 0,
        }
    }

    /// Runs a command as one transaction.
    pub fn command<P: Plugin>(
        &mut self,
        who: &Caller,
        op: &str,
        input: &[u8],
    ) -> Result<Reply, Fault> {
        let op = op.to_owned();
        self.transact(who.session, |host| {
            let who = Caller {
                call: host.transaction,
                ..who.clone()
            };
            match P::command(host, &who, &op, input)? {
                Outcome::Done(value) => Ok(Reply::Done(value)),
                Outcome::Park(wait) => {
                    let parked = Parked {
                        id: who.call,
                        session: who.session,
                        op: op.clone(),
                        tag: wait.tag,
                        since: host.now,
                    };
                    host.state.parked.insert(who.call, parked);
                    Ok(Reply::Parked(who.call))
                }
            }
        })
    }

    /// Runs a query; whatever it writes is lost.
    pub fn query<P: Plugin>(
        &mut self,
        who: &Caller,
        op: &str,
        input: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let before = self.state.clone();
        let answer = P::query(self, who, op, input);
        self.state = before;
        answer
    }

    /// Ends a session: its nodes go, its parked calls are cancelled, and the plugin hears of both in
    /// the same transaction.
    pub fn end_session<P: Plugin>(&mut self, session: SessionId) -> Result<(), Fault> {
        self.transact(0, |host| {
            host.state.sessions.remove(&session);
            let mut events = Vec::new();
            let nodes = std::mem::take(&mut host.state.nodes).into_iter();
            let (owned, others) = nodes.partition(|(_, node)| node.owner == session);
            host.state.nodes = others;
            let owned: BTreeMap<String, Node> = owned;
            for (path, node) in owned {
                events.push(Event {
                    path,
                    session,
                    data: node.data,
                    ..blank(Watch::DELETED)
                });
            }
            let calls: Vec<Parked> = host.state.parked.values().cloned().collect();
            for call in calls.into_iter().filter(|c| c.session == session) {
                host.state.parked.remove(&call.id);
                events.push(cancelled(call));
            }
            P::on_event(host, &events)
        })
    }

    /// Lets a parked call run into its timeout.
    pub fn time_out<P: Plugin>(&mut self, call: CallId) -> Result<(), Fault> {
        self.transact(0, |host| {
            let Some(parked) = host.state.parked.remove(&call) else {
                return Err(refuse(
                    code::BAD_ARGUMENTS,
                    format!("no parked call {call}"),
                ));
            };
            let fault = refuse(code::OPERATION_TIMEOUT, "timed out");
            host.state.answers.insert(call, Err(fault));
            P::on_event(host, &[cancelled(parked)])
        })
    }

    /// Rings every alarm that is due.
    pub fn ring<P: Plugin>(&mut self) -> Result<(), Fault> {
        self.transact(0, |host| {
            let now = host.now;
            let timers = std::mem::take(&mut host.state.timers);
            let (due, later) = timers.into_iter().partition(|(_, due)| *due <= now);
            host.state.timers = later;
            let due: BTreeMap<String, u64> = due;
            let events: Vec<Event> = due
                .into_keys()
                .map(|tag| Event {
                    tag,
                    ..blank(Watch::TIMER)
                })
                .collect();
            P::on_event(host, &events)
        })
    }

    /// What a parked call was answered, if it was.
    pub fn answer(&self, call: CallId) -> Option<&Result<Vec<u8>, Fault>> {
        self.state.answers.get(&call)
    }

    /// Calls that still wait.
    pub fn parked(&self) -> Vec<Parked> {
        self.state.parked.values().cloned().collect()
    }

    /// Every node's path, in order.
    pub fn paths(&self) -> Vec<&str> {
        self.state.nodes.keys().map(String::as_str).collect()
    }

    /// A node's data, read as JSON.
    pub fn get_json<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<T, Fault> {
        (self as &mut dyn Host).get_json(path)
    }

    fn transact<T>(
        &mut self,
        caller: SessionId,
        run: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let before = self.state.clone();
        self.caller = caller;
        self.savepoints.clear();
        self.transaction += 1;
        let result = run(self);
        if result.is_err() {
            self.state = before;
        }
        result
    }

    fn node(&mut self, path: &str) -> Result<&mut Node, Fault> {
        self.state
            .nodes
            .get_mut(path)
            .ok_or_else(|| refuse(code::NO_NODE, format!("no node {path:?}")))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let below = |child: &str| match child.rsplit_once('/') {
            Some((parent, name)) => (parent == path).then(|| name.to_owned()),
            None => path.is_empty().then(|| child.to_owned()),
        };
        self.state.nodes.keys().filter_map(|c| below(c)).collect()
    }

    fn stat(&self, path: &str, node: &Node) -> Stat {
        Stat {
            czxid: node.czxid,
            mzxid: node.mzxid,
            pzxid: node.czxid,
            ctime: node.ctime,
            mtime: node.mtime,
            version: node.version,
            cversion: node.created,
            aversion: 0,
            ephemeral_owner: node.owner,
            data_length: u32::try_from(node.data.len()).unwrap_or(u32::MAX),
            num_children: self.names(path).len() as u64,
        }
    }

    fn insert(
        &mut self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        owner: SessionId,
    ) -> Result<String, Fault> {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let why = format!("{path:?} is not a path below the mount");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        let sequence = match path.rsplit_once('/') {
            None => &mut self.state.created_at_root,
            Some((parent, _)) => {
                let parent = self.node(parent)?;
                if parent.owner != 0 {
                    let why = "an ephemeral node cannot have children";
                    return Err(refuse(code::NO_CHILDREN_FOR_EPHEMERALS, why));
                }
                &mut parent.created
            }
        };
        let sequential = matches!(
            mode,
            CreateMode::PersistentSequential | CreateMode::EphemeralSequential
        );
        let path = if sequential {
            format!("{path}{sequence:010}")
        } else {
            path.to_owned()
        };
        *sequence += 1;
        if self.state.nodes.contains_key(&path) {
            return Err(refuse(
                code::NODE_EXISTS,
                format!("{path:?} is there already"),
            ));
        }
        let ephemeral = matches!(
            mode,
            CreateMode::Ephemeral | CreateMode::EphemeralSequential
        );
        if ephemeral && !self.state.sessions.contains(&owner) {
            return Err(refuse(code::SESSION_EXPIRED, format!("no session {owner}")));
        }
        let node = Node {
            data: data.to_vec(),
            owner: if ephemeral { owner } else { 0 },
            czxid: self.transaction,
            mzxid: self.transaction,
            ctime: self.now,
            mtime: self.now,
            ..Node::default()
        };
        self.state.nodes.insert(path.clone(), node);
        Ok(path)
    }
}

impl Host for MemoryHost {
    fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), Fault> {
        let node = self.node(path)?.clone();
        let stat = self.stat(path, &node);
        Ok((node.data, stat))
    }

    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        let node = self.state.nodes.get(path);
        Ok(node.map(|node| self.stat(path, node)))
    }

    fn children(
        &mut self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        if !path.is_empty() {
            self.node(path)?;
        }
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
        self.insert(path, data, mode, self.caller)
    }

    fn create_owned(
        &mut self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        owner: SessionId,
    ) -> Result<String, Fault> {
        self.insert(path, data, mode, owner)
    }

    fn set(&mut self, path: &str, data: &[u8], version: Option<u64>) -> Result<u64, Fault> {
        self.check(path, version)?;
        let (transaction, now) = (self.transaction, self.now);
        let node = self.node(path)?;
        node.data = data.to_vec();
        node.version += 1;
        node.mzxid = transaction;
        node.mtime = now;
        Ok(node.version)
    }

    fn delete(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        self.check(path, version)?;
        if !self.names(path).is_empty() {
            return Err(refuse(code::NOT_EMPTY, format!("{path:?} has children")));
        }
        self.state.nodes.remove(path);
        Ok(())
    }

    fn check(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        let found = self.node(path)?.version;
        if version.is_some_and(|wanted| wanted != found) {
            let why = format!("{path:?} has version {found}");
            return Err(refuse(code::BAD_VERSION, why));
        }
        Ok(())
    }

    fn savepoint(&mut self) -> Result<u32, Fault> {
        self.savepoints.push(self.state.clone());
        Ok(u32::try_from(self.savepoints.len() - 1).unwrap_or(u32::MAX))
    }

    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault> {
        let Some(state) = self.savepoints.get(savepoint as usize) else {
            let why = format!("no savepoint {savepoint} in this call");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        };
        self.state = state.clone();
        self.savepoints.truncate(savepoint as usize + 1);
        Ok(())
    }

    fn complete(&mut self, call: CallId, value: &[u8]) -> Result<(), Fault> {
        self.end_call(call, Ok(value.to_vec()))
    }

    fn fail(&mut self, call: CallId, why: &Fault) -> Result<(), Fault> {
        self.end_call(call, Err(why.clone()))
    }

    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<Parked>, Fault> {
        let calls = self.state.parked.values();
        let wanted = calls.filter(|call| call.tag == tag && call.id > after);
        Ok(wanted.take(limit as usize).cloned().collect())
    }

    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault> {
        let due = self.now.saturating_add(delay_ms);
        self.state.timers.insert(tag.to_owned(), due);
        Ok(())
    }

    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault> {
        self.state.timers.remove(tag);
        Ok(())
    }

    fn transaction(&self) -> u64 {
        self.transaction
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random ^ (self.random >> 31)
    }

    fn config(&self, key: &str) -> Option<String> {
        self.config.get(key).cloned()
    }

    fn session_alive(&self, session: SessionId) -> bool {
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

impl MemoryHost {
    fn end_call(&mut self, call: CallId, answer: Result<Vec<u8>, Fault>) -> Result<(), Fault> {
        if self.state.parked.remove(&call).is_none() {
            return Err(refuse(
                code::BAD_ARGUMENTS,
                format!("no parked call {call}"),
            ));
        }
        self.state.answers.insert(call, answer);
        Ok(())
    }
}

fn cancelled(call: Parked) -> Event {
    Event {
        session: call.session,
        call: call.id,
        tag: call.tag,
        ..blank(Watch::CANCELLED)
    }
}

fn blank(kind: u32) -> Event {
    Event {
        kind,
        path: String::new(),
        session: 0,
        call: 0,
        tag: String::new(),
        data: Vec::new(),
    }
}
