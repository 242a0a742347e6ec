//! The typed view of nodes: JSON in, JSON out, and faults one may expect turned into values.
//! Knows no plugin's layout.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::code;
use crate::{CreateMode, Fault, Host, json};

#[allow(
    clippy::missing_errors_doc,
    reason = "the host's faults, and unreadable JSON"
)]
impl dyn Host + '_ {
    /// A node's data, read as JSON.
    pub fn get_json<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Fault> {
        let (data, _) = self.get(path)?;
        json::read(&data)
    }

    /// The same, or nothing if there is no such node.
    pub fn get_json_opt<T: DeserializeOwned>(&mut self, path: &str) -> Result<Option<T>, Fault> {
        match self.get(path) {
            Ok((data, _)) => json::read(&data).map(Some),
            Err(fault) if fault.code == code::NO_NODE => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Sets a node's data to JSON.
    pub fn set_json<T: Serialize>(
        &mut self,
        path: &str,
        value: &T,
        version: Option<u64>,
    ) -> Result<u64, Fault> {
        self.set(path, &json::write(value)?, version)
    }

    /// Sets a node's data to JSON, creating a persistent node if there is none.
    pub fn put_json<T: Serialize>(&mut self, path: &str, value: &T) -> Result<(), Fault> {
        let data = json::write(value)?;
        if self.exists(path)?.is_some() {
            self.set(path, &data, None)?;
        } else {
            self.create(path, &data, CreateMode::Persistent)?;
        }
        Ok(())
    }

    /// Creates a persistent node without data unless it is there.
    pub fn ensure(&mut self, path: &str) -> Result<(), Fault> {
        if self.exists(path)?.is_none() {
            self.create(path, &[], CreateMode::Persistent)?;
        }
        Ok(())
    }

    /// Deletes a node; true if there was one.
    pub fn remove(&mut self, path: &str) -> Result<bool, Fault> {
        match self.delete(path, None) {
            Ok(()) => Ok(true),
            Err(fault) if fault.code == code::NO_NODE => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}
