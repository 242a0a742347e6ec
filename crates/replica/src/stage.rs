//! What one guest call sees and stages: the world, cut down to its mount.
//!
//! This file must never let a guest name anything outside its mount, or stage what a client could
//! not be told of: every staged change goes through the same functions as a client's.

use std::any::Any;

use bytes::Bytes;
use zareba_model::{
    CallId, CreateMode, ErrorCode, Fault, Mount, Outcome, SessionId, Stat, ZnodePath, Zxid,
};

use crate::change;
use crate::plugin::{ParkedView, Stage};
use crate::world::{Savepoint, World};

/// Most names or calls in one answer to a guest: more would only fill its memory.
const PAGE_MAX: usize = 10_000;

/// The world as lent to a guest for one call.
pub(crate) struct GuestStage {
    pub(crate) world: Box<World>,
    mount: Mount,
    caller: SessionId,
    read_only: bool,
    savepoints: Vec<Savepoint>,
    /// Lines the guest logged, kept whatever becomes of the call.
    pub(crate) log: Vec<(u8, String)>,
}

impl GuestStage {
    /// Lends the world to a call at a mount.
    pub(crate) fn new(world: Box<World>, mount: Mount, caller: SessionId, read_only: bool) -> Self {
        Self {
            world,
            mount,
            caller,
            read_only,
            savepoints: Vec::new(),
            log: Vec::new(),
        }
    }

    fn absolute(&self, relative: &str) -> Result<ZnodePath, Fault> {
        if relative.is_empty() {
            return Ok(self.mount.path.clone());
        }
        if relative.starts_with('/') {
            let why = format!("paths are relative to the mount, but {relative:?} starts with '/'");
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        self.mount
            .path
            .join(relative)
            .map_err(|error| Fault::new(ErrorCode::BadArguments, error.to_string()))
    }

    fn may_write(&self) -> Result<(), Fault> {
        if self.read_only {
            return Err(Fault::new(
                ErrorCode::BadArguments,
                "a query writes nothing",
            ));
        }
        Ok(())
    }

    /// A node may be given only to the caller, or to a session that is already at home here.
    fn may_own(&self, owner: SessionId) -> Result<(), Fault> {
        if self.world.session(owner).is_none() {
            let why = format!("session {owner} is over; it can own no node");
            return Err(Fault::new(ErrorCode::SessionExpired, why));
        }
        let here = &self.mount.path;
        let at_home = owner == self.caller
            || self
                .world
                .calls_of(owner)
                .iter()
                .any(|call| call.mount == *here)
            || self
                .world
                .ephemerals(owner)
                .iter()
                .any(|path| path.is_within(here));
        if at_home {
            return Ok(());
        }
        let why = format!("session {owner} has neither a parked call nor a node at this mount");
        Err(Fault::new(ErrorCode::NoAuth, why))
    }

    fn own_call(&self, id: CallId) -> Result<zareba_model::ParkedCall, Fault> {
        self.world
            .call(id)
            .filter(|call| call.mount == self.mount.path)
            .ok_or_else(|| {
                let why = format!("no call {} is parked at this mount", id.0);
                Fault::new(ErrorCode::NoNode, why)
            })
    }
}

impl Stage for GuestStage {
    fn get(&mut self, path: &str) -> Result<(Bytes, Stat), Fault> {
        let path = self.absolute(path)?;
        let node = self
            .world
            .node(path.as_str())
            .ok_or_else(|| change::no_node(&path))?;
        Ok((node.data, node.stat))
    }

    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        let path = self.absolute(path)?;
        Ok(self.world.node(path.as_str()).map(|node| node.stat))
    }

    fn children(
        &mut self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        let path = self.absolute(path)?;
        if !self.world.has_node(path.as_str()) {
            return Err(change::no_node(&path));
        }
        let limit = usize::try_from(limit).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        Ok(self.world.child_names(&path, after, "", limit))
    }

    fn first_child(&mut self, path: &str, prefix: &str) -> Result<Option<String>, Fault> {
        let path = self.absolute(path)?;
        if !self.world.has_node(path.as_str()) {
            return Err(change::no_node(&path));
        }
        Ok(self.world.child_names(&path, None, prefix, 1).pop())
    }

    fn count_children(&mut self, path: &str) -> Result<u64, Fault> {
        let path = self.absolute(path)?;
        let node = self
            .world
            .node(path.as_str())
            .ok_or_else(|| change::no_node(&path))?;
        Ok(node.stat.num_children)
    }

    fn create(
        &mut self,
        path: &str,
        data: Bytes,
        mode: CreateMode,
        owner: Option<SessionId>,
    ) -> Result<String, Fault> {
        self.may_write()?;
        let path = self.absolute(path)?;
        let owner = if mode.is_ephemeral() {
            owner.unwrap_or(self.caller)
        } else {
            SessionId::NONE
        };
        if mode.is_ephemeral() {
            self.may_own(owner)?;
        }
        let (path, _) = change::create(
            &mut self.world,
            &path,
            data,
            mode,
            zareba_model::Acl::open(),
            owner,
        )?;
        Ok(path
            .relative_to(&self.mount.path)
            .unwrap_or_default()
            .to_owned())
    }

    fn set(&mut self, path: &str, data: Bytes, version: Option<u64>) -> Result<u64, Fault> {
        self.may_write()?;
        let path = self.absolute(path)?;
        change::set(&mut self.world, &path, data, version).map(|stat| stat.version)
    }

    fn delete(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        self.may_write()?;
        let path = self.absolute(path)?;
        if path == self.mount.path {
            return Err(Fault::new(
                ErrorCode::BadArguments,
                "a plugin cannot delete its mount",
            ));
        }
        change::delete(&mut self.world, &path, version)
    }

    fn check(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        let path = self.absolute(path)?;
        change::check(&self.world, &path, version)
    }

    fn savepoint(&mut self) -> Result<u32, Fault> {
        self.may_write()?;
        self.savepoints.push(self.world.savepoint());
        Ok(u32::try_from(self.savepoints.len() - 1).unwrap_or(u32::MAX))
    }

    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault> {
        let index = usize::try_from(savepoint).unwrap_or(usize::MAX);
        let Some(point) = self.savepoints.get(index).copied() else {
            return Err(Fault::new(
                ErrorCode::BadArguments,
                "there is no such savepoint",
            ));
        };
        self.savepoints.truncate(index + 1);
        self.world.rollback(point);
        Ok(())
    }

    fn complete(&mut self, call: CallId, value: Bytes) -> Result<(), Fault> {
        self.may_write()?;
        let call = self.own_call(call)?;
        self.world.stage_end_call(&call, Ok(Outcome::Called(value)));
        Ok(())
    }

    fn fail(&mut self, call: CallId, why: Fault) -> Result<(), Fault> {
        self.may_write()?;
        let call = self.own_call(call)?;
        self.world.stage_end_call(&call, Err(why));
        Ok(())
    }

    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<ParkedView>, Fault> {
        let limit = usize::try_from(limit).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let calls = self
            .world
            .calls_with_tag(&self.mount.path, tag, after, limit);
        Ok(calls
            .into_iter()
            .map(|call| ParkedView {
                id: call.id,
                session: call.session,
                op: call.op,
                tag: call.tag,
                since: call.since,
            })
            .collect())
    }

    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault> {
        self.may_write()?;
        let due = self.world.time.saturating_add(delay_ms);
        self.world
            .stage_timer(self.mount.path.clone(), tag.to_owned(), Some(due));
        Ok(())
    }

    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault> {
        self.may_write()?;
        if self.world.timer(&self.mount.path, tag).is_some() {
            self.world
                .stage_timer(self.mount.path.clone(), tag.to_owned(), None);
        }
        Ok(())
    }

    fn transaction(&self) -> Zxid {
        if self.read_only {
            self.world.tree.applied()
        } else {
            self.world.zxid
        }
    }

    fn now(&self) -> u64 {
        if self.read_only {
            self.world.tree.time()
        } else {
            self.world.time
        }
    }

    fn config(&self, key: &str) -> Option<String> {
        self.mount.config.get(key).cloned()
    }

    fn session_alive(&self, session: SessionId) -> bool {
        self.world.session(session).is_some()
    }

    fn log(&mut self, level: u8, message: &str) {
        self.log.push((level, message.to_owned()));
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
