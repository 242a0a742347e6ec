//! The SDK's host over a transaction that is being staged. Must never know who runs.

use std::cell::Cell;
use std::panic::resume_unwind;

use bytes::Bytes;
use zareba_guest_sdk::{CallId, CreateMode, Fault, Host, Parked, SessionId, Stat};
use zareba_model as model;
use zareba_replica::plugin::Stage;

/// Unwinds out of a plugin: it cannot be caught there.
pub(crate) struct Trap;

/// The host of one run.
pub(crate) struct StagedHost<'a> {
    stage: &'a mut dyn Stage,
    random: u64,
    calls: Cell<u64>,
    trap_at: Option<u64>,
}

impl<'a> StagedHost<'a> {
    pub(crate) fn new(stage: &'a mut dyn Stage, seed: u64, trap_at: Option<u64>) -> Self {
        Self {
            stage,
            random: seed,
            calls: Cell::new(0),
            trap_at,
        }
    }

    fn called(&self) {
        self.calls.set(self.calls.get() + 1);
        if self.trap_at == Some(self.calls.get()) {
            resume_unwind(Box::new(Trap));
        }
    }
}

impl Host for StagedHost<'_> {
    fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), Fault> {
        self.called();
        let (data, found) = self.stage.get(path).map_err(fault)?;
        Ok((data.to_vec(), stat(found)))
    }

    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        self.called();
        let found = self.stage.exists(path).map_err(fault)?;
        Ok(found.map(stat))
    }

    fn children(
        &mut self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        self.called();
        self.stage.children(path, after, limit).map_err(fault)
    }

    fn first_child(&mut self, path: &str, prefix: &str) -> Result<Option<String>, Fault> {
        self.called();
        self.stage.first_child(path, prefix).map_err(fault)
    }

    fn count_children(&mut self, path: &str) -> Result<u64, Fault> {
        self.called();
        self.stage.count_children(path).map_err(fault)
    }

    fn create(&mut self, path: &str, data: &[u8], mode: CreateMode) -> Result<String, Fault> {
        self.called();
        let data = Bytes::copy_from_slice(data);
        self.stage
            .create(path, data, of_mode(mode), None)
            .map_err(fault)
    }

    fn create_owned(
        &mut self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        owner: SessionId,
    ) -> Result<String, Fault> {
        self.called();
        let data = Bytes::copy_from_slice(data);
        let owner = Some(model::SessionId(owner));
        self.stage
            .create(path, data, of_mode(mode), owner)
            .map_err(fault)
    }

    fn set(&mut self, path: &str, data: &[u8], version: Option<u64>) -> Result<u64, Fault> {
        self.called();
        let data = Bytes::copy_from_slice(data);
        self.stage.set(path, data, version).map_err(fault)
    }

    fn delete(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        self.called();
        self.stage.delete(path, version).map_err(fault)
    }

    fn check(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        self.called();
        self.stage.check(path, version).map_err(fault)
    }

    fn savepoint(&mut self) -> Result<u32, Fault> {
        self.called();
        self.stage.savepoint().map_err(fault)
    }

    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault> {
        self.called();
        self.stage.rollback_to(savepoint).map_err(fault)
    }

    fn complete(&mut self, call: CallId, value: &[u8]) -> Result<(), Fault> {
        self.called();
        let value = Bytes::copy_from_slice(value);
        self.stage
            .complete(model::CallId(call), value)
            .map_err(fault)
    }

    fn fail(&mut self, call: CallId, why: &Fault) -> Result<(), Fault> {
        self.called();
        let code = model::ErrorCode::from_number(why.code);
        let why = model::Fault::new(code, why.message.clone());
        self.stage.fail(model::CallId(call), why).map_err(fault)
    }

    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<Parked>, Fault> {
        self.called();
        let found = self
            .stage
            .lookup(tag, model::CallId(after), limit)
            .map_err(fault)?;
        let parked = |call: zareba_replica::plugin::ParkedView| Parked {
            id: call.id.0,
            session: call.session.0,
            op: call.op,
            tag: call.tag,
            since: call.since,
        };
        Ok(found.into_iter().map(parked).collect())
    }

    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault> {
        self.called();
        self.stage.set_timer(tag, delay_ms).map_err(fault)
    }

    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault> {
        self.called();
        self.stage.clear_timer(tag).map_err(fault)
    }

    fn transaction(&self) -> u64 {
        self.called();
        self.stage.transaction().to_u64()
    }

    fn now(&self) -> u64 {
        self.called();
        self.stage.now()
    }

    fn random(&mut self) -> u64 {
        self.called();
        self.random = self
            .random
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(1);
        self.random ^ (self.random >> 31)
    }

    fn config(&self, key: &str) -> Option<String> {
        self.called();
        self.stage.config(key)
    }

    fn session_alive(&self, session: SessionId) -> bool {
        self.called();
        self.stage.session_alive(model::SessionId(session))
    }

    fn log(&mut self, level: u8, message: &str) {
        self.stage.log(level, message);
    }

    fn count(&mut self, _: &str, _: u64) {}

    fn observe(&mut self, _: &str, _: f64) {}
}

pub(crate) fn fault(fault: model::Fault) -> Fault {
    Fault {
        code: fault.code.number(),
        message: fault.message,
    }
}

pub(crate) fn stat(stat: model::Stat) -> Stat {
    Stat {
        czxid: stat.czxid.to_u64(),
        mzxid: stat.mzxid.to_u64(),
        pzxid: stat.pzxid.to_u64(),
        ctime: stat.ctime,
        mtime: stat.mtime,
        version: stat.version,
        cversion: stat.cversion,
        aversion: stat.aversion,
        ephemeral_owner: stat.lifetime.owner().0,
        data_length: stat.data_length,
        num_children: stat.num_children,
    }
}

fn of_mode(mode: CreateMode) -> model::CreateMode {
    match mode {
        CreateMode::Persistent => model::CreateMode::Persistent,
        CreateMode::PersistentSequential => model::CreateMode::PersistentSequential,
        CreateMode::Ephemeral => model::CreateMode::Ephemeral,
        CreateMode::EphemeralSequential => model::CreateMode::EphemeralSequential,
    }
}
