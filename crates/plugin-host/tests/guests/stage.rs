//! A stage in memory: nodes, parked calls and sessions, without roll-back. Knows no guest.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zareba_model::{CallId, CreateMode, ErrorCode, Fault, SessionId, Stat, Zxid};
use zareba_replica::plugin::{ParkedView, Stage};

#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStage {
    pub(crate) nodes: BTreeMap<String, (Bytes, Stat)>,
    pub(crate) parked: BTreeMap<CallId, ParkedView>,
    pub(crate) answers: BTreeMap<CallId, Result<Bytes, Fault>>,
    pub(crate) timers: BTreeMap<String, u64>,
    pub(crate) sessions: BTreeSet<SessionId>,
    pub(crate) log: Vec<(u8, String)>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) transaction: u32,
    pub(crate) caller: SessionId,
    pub(crate) savepoints: Vec<BTreeMap<String, (Bytes, Stat)>>,
}

impl MemoryStage {
    pub(crate) fn of(stage: Box<dyn Stage>) -> Self {
        *stage.into_any().downcast::<Self>().unwrap()
    }

    fn names(&self, path: &str) -> Vec<String> {
        let parent = |child: &str| child.rsplit_once('/').map_or("", |(p, _)| p).to_owned();
        let name = |child: &str| child.rsplit_once('/').map_or(child, |(_, n)| n).to_owned();
        let below = self.nodes.keys().filter(|child| parent(child) == path);
        below.map(|child| name(child)).collect()
    }
}

fn missing(path: &str) -> Fault {
    Fault::new(ErrorCode::NoNode, format!("no node {path:?}"))
}

impl Stage for MemoryStage {
    fn get(&mut self, path: &str) -> Result<(Bytes, Stat), Fault> {
        self.nodes.get(path).cloned().ok_or_else(|| missing(path))
    }
    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        Ok(self.nodes.get(path).map(|(_, stat)| *stat))
    }
    fn children(
        &mut self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        let names = self.names(path).into_iter();
        let behind = names.filter(|name| after.is_none_or(|after| name.as_str() > after));
        Ok(behind.take(limit as usize).collect())
    }
    fn first_child(&mut self, path: &str, prefix: &str) -> Result<Option<String>, Fault> {
        Ok(self.names(path).into_iter().find(|n| n.starts_with(prefix)))
    }
    fn count_children(&mut self, path: &str) -> Result<u64, Fault> {
        Ok(self.names(path).len() as u64)
    }
    fn create(
        &mut self,
        path: &str,
        data: Bytes,
        mode: CreateMode,
        owner: Option<SessionId>,
    ) -> Result<String, Fault> {
        if self.nodes.contains_key(path) {
            return Err(Fault::new(ErrorCode::NodeExists, path));
        }
        let stat = Stat {
            czxid: self.transaction(),
            lifetime: mode.lifetime(owner.unwrap_or(self.caller)),
            ..Stat::default()
        };
        self.nodes.insert(path.to_owned(), (data, stat));
        Ok(path.to_owned())
    }
    fn set(&mut self, path: &str, data: Bytes, _: Option<u64>) -> Result<u64, Fault> {
        let node = self.nodes.get_mut(path).ok_or_else(|| missing(path))?;
        node.0 = data;
        node.1.version += 1;
        Ok(node.1.version)
    }
    fn delete(&mut self, path: &str, _: Option<u64>) -> Result<(), Fault> {
        self.nodes
            .remove(path)
            .map(drop)
            .ok_or_else(|| missing(path))
    }
    fn check(&mut self, path: &str, _: Option<u64>) -> Result<(), Fault> {
        self.get(path).map(drop)
    }
    fn savepoint(&mut self) -> Result<u32, Fault> {
        self.savepoints.push(self.nodes.clone());
        Ok(self.savepoints.len() as u32 - 1)
    }
    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault> {
        self.nodes = self.savepoints[savepoint as usize].clone();
        Ok(())
    }
    fn complete(&mut self, call: CallId, value: Bytes) -> Result<(), Fault> {
        self.parked.remove(&call).unwrap();
        self.answers.insert(call, Ok(value));
        Ok(())
    }
    fn fail(&mut self, call: CallId, why: Fault) -> Result<(), Fault> {
        self.parked.remove(&call).unwrap();
        self.answers.insert(call, Err(why));
        Ok(())
    }
    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<ParkedView>, Fault> {
        let calls = self.parked.values();
        let wanted = calls.filter(|call| call.tag == tag && call.id > after);
        Ok(wanted.take(limit as usize).cloned().collect())
    }
    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault> {
        self.timers.insert(tag.to_owned(), delay_ms);
        Ok(())
    }
    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault> {
        self.timers.remove(tag);
        Ok(())
    }
    fn transaction(&self) -> Zxid {
        Zxid::new(1, self.transaction)
    }
    fn now(&self) -> u64 {
        1_700_000_000_000
    }
    fn config(&self, key: &str) -> Option<String> {
        self.config.get(key).cloned()
    }
    fn session_alive(&self, session: SessionId) -> bool {
        self.sessions.contains(&session)
    }
    fn log(&mut self, level: u8, message: &str) {
        self.log.push((level, message.to_owned()));
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
