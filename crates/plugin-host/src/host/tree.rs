//! `tree`: staging changes of nodes. Must never commit anything.

use wasmtime::Result;
use zareba_model::{self as model, ErrorCode, SessionId};

use crate::bindings::zareba::plugin::tree::Host;
use crate::bindings::zareba::plugin::types::{CreateMode, Fault};
use crate::call::Call;

impl Host for Call {
    fn create(
        &mut self,
        path: String,
        data: Vec<u8>,
        mode: CreateMode,
    ) -> Result<Result<String, Fault>> {
        self.write(path.len() + data.len(), |stage| {
            stage.create(&path, data.into(), create_mode(mode), None)
        })
    }

    fn create_owned(
        &mut self,
        path: String,
        data: Vec<u8>,
        mode: CreateMode,
        owner: u64,
    ) -> Result<Result<String, Fault>> {
        self.write(path.len() + data.len(), |stage| {
            let mode = create_mode(mode);
            if !mode.is_ephemeral() {
                let why = "create-owned makes ephemeral nodes only";
                return Err(model::Fault::new(ErrorCode::BadArguments, why));
            }
            stage.create(&path, data.into(), mode, Some(SessionId(owner)))
        })
    }

    fn set(
        &mut self,
        path: String,
        data: Vec<u8>,
        version: Option<u64>,
    ) -> Result<Result<u64, Fault>> {
        self.write(path.len() + data.len(), |stage| {
            stage.set(&path, data.into(), version)
        })
    }

    fn delete(&mut self, path: String, version: Option<u64>) -> Result<Result<(), Fault>> {
        self.write(path.len(), |stage| stage.delete(&path, version))
    }

    fn check(&mut self, path: String, version: Option<u64>) -> Result<Result<(), Fault>> {
        self.write(path.len(), |stage| stage.check(&path, version))
    }

    fn savepoint(&mut self) -> Result<Result<u32, Fault>> {
        self.write(0, |stage| stage.savepoint())
    }

    fn rollback_to(&mut self, savepoint: u32) -> Result<Result<(), Fault>> {
        self.write(0, |stage| stage.rollback_to(savepoint))
    }
}

fn create_mode(mode: CreateMode) -> model::CreateMode {
    match mode {
        CreateMode::Persistent => model::CreateMode::Persistent,
        CreateMode::PersistentSequential => model::CreateMode::PersistentSequential,
        CreateMode::Ephemeral => model::CreateMode::Ephemeral,
        CreateMode::EphemeralSequential => model::CreateMode::EphemeralSequential,
    }
}
