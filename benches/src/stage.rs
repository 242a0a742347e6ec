//! A plugin's stage in memory: the nodes of one mount in a map, every change made at once.
//! It does no more than guests need to run, so that the host is measured and not the stage.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use zareba_model::{CallId, CreateMode, ErrorCode, Fault, SessionId, Stat, Zxid};
use zareba_replica::plugin::{ParkedView, Stage};

use crate::requests::SESSION;

/// Nodes by their path relative to the mount.
#[derive(Debug, Default)]
pub struct MapStage {
    nodes: BTreeMap<String, (Bytes, Stat)>,
    transaction: u32,
}

impl MapStage {
    /// An empty mount.
    pub fn new() -> Self {
        let mut stage = Self::default();
        stage.nodes.insert(String::new(), Default::default());
        stage
    }

    /// The next call belongs to the next transaction.
    pub fn next_transaction(&mut self) {
        self.transaction = self.transaction.wrapping_add(1);
    }

    fn node(&mut self, path: &str) -> Result<&mut (Bytes, Stat), Fault> {
        self.nodes
            .get_mut(path)
            .ok_or_else(|| Fault::new(ErrorCode::NoNode, format!("there is no node {path}")))
    }
}

/// The name of a node that lies right below the parent.
fn child_of<'a>(path: &'a str, parent: &str) -> Option<&'a str> {
    let name = match parent {
        "" => path,
        parent => path.strip_prefix(parent)?.strip_prefix('/')?,
    };
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

fn unsupported() -> Fault {
    Fault::new(
        ErrorCode::BadArguments,
        "this stage parks and waits for nothing",
    )
}

impl Stage for MapStage {
    fn get(&mut self, path: &str) -> Result<(Bytes, Stat), Fault> {
        self.node(path).cloned()
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
        let names = self.nodes.keys().filter_map(|key| child_of(key, path));
        let names = names.filter(|name| after.is_none_or(|after| *name > after));
        Ok(names.take(limit as usize).map(str::to_owned).collect())
    }

    fn first_child(&mut self, path: &str, prefix: &str) -> Result<Option<String>, Fault> {
        let start = match path {
            "" => prefix.to_owned(),
            path => format!("{path}/{prefix}"),
        };
        let behind = self
            .nodes
            .range::<String, _>((Bound::Included(&start), Bound::Unbounded));
        let mut names = behind.filter_map(|(key, _)| child_of(key, path));
        Ok(names
            .find(|name| name.starts_with(prefix))
            .map(str::to_owned))
    }

    fn count_children(&mut self, path: &str) -> Result<u64, Fault> {
        let names = self.nodes.keys().filter_map(|key| child_of(key, path));
        Ok(names.count() as u64)
    }

    fn create(
        &mut self,
        path: &str,
        data: Bytes,
        mode: CreateMode,
        owner: Option<SessionId>,
    ) -> Result<String, Fault> {
        let stat = Stat {
            czxid: self.transaction(),
            lifetime: mode.lifetime(owner.unwrap_or(SESSION)),
            data_length: data.len() as u32,
            ..Stat::default()
        };
        if self.nodes.contains_key(path) {
            return Err(Fault::new(
                ErrorCode::NodeExists,
                format!("{path} is there"),
            ));
        }
        self.nodes.insert(path.to_owned(), (data, stat));
        Ok(path.to_owned())
    }

    fn set(&mut self, path: &str, data: Bytes, _version: Option<u64>) -> Result<u64, Fault> {
        let node = self.node(path)?;
        node.0 = data;
        node.1.version += 1;
        Ok(node.1.version)
    }

    fn delete(&mut self, path: &str, _version: Option<u64>) -> Result<(), Fault> {
        self.node(path)?;
        self.nodes.remove(path);
        Ok(())
    }

    fn check(&mut self, path: &str, _version: Option<u64>) -> Result<(), Fault> {
        self.node(path).map(|_| ())
    }

    fn savepoint(&mut self) -> Result<u32, Fault> {
        Err(unsupported())
    }

    fn rollback_to(&mut self, _savepoint: u32) -> Result<(), Fault> {
        Err(unsupported())
    }

    fn complete(&mut self, _call: CallId, _value: Bytes) -> Result<(), Fault> {
        Err(unsupported())
    }

    fn fail(&mut self, _call: CallId, _why: Fault) -> Result<(), Fault> {
        Err(unsupported())
    }

    fn lookup(
        &mut self,
        _tag: &str,
        _after: CallId,
        _limit: u32,
    ) -> Result<Vec<ParkedView>, Fault> {
        Ok(Vec::new())
    }

    fn set_timer(&mut self, _tag: &str, _delay_ms: u64) -> Result<(), Fault> {
        Err(unsupported())
    }

    fn clear_timer(&mut self, _tag: &str) -> Result<(), Fault> {
        Err(unsupported())
    }

    fn transaction(&self) -> Zxid {
        Zxid::new(1, self.transaction)
    }

    fn now(&self) -> u64 {
        1_700_000_000_000
    }

    fn config(&self, _key: &str) -> Option<String> {
        None
    }

    fn session_alive(&self, session: SessionId) -> bool {
        session == SESSION
    }

    fn log(&mut self, _level: u8, _message: &str) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
