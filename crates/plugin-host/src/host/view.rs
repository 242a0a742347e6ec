//! `view`: reading. Must never change anything.

use wasmtime::Result;

use super::stat;
use crate::bindings::zareba::plugin::types::{Fault, Stat};
use crate::bindings::zareba::plugin::view::Host;
use crate::call::Call;

impl Host for Call {
    fn get(&mut self, path: String) -> Result<Result<(Vec<u8>, Stat), Fault>> {
        self.read(|stage| {
            let (data, found) = stage.get(&path)?;
            Ok((data.to_vec(), stat(found)))
        })
    }

    fn exists(&mut self, path: String) -> Result<Result<Option<Stat>, Fault>> {
        self.read(|stage| Ok(stage.exists(&path)?.map(stat)))
    }

    fn children(
        &mut self,
        path: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Vec<String>, Fault>> {
        self.read(|stage| stage.children(&path, after.as_deref(), limit))
    }

    fn first_child(
        &mut self,
        path: String,
        prefix: String,
    ) -> Result<Result<Option<String>, Fault>> {
        self.read(|stage| stage.first_child(&path, &prefix))
    }

    fn count_children(&mut self, path: String) -> Result<Result<u64, Fault>> {
        self.read(|stage| stage.count_children(&path))
    }
}
