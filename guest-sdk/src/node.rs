//! The typed view of the tree: a node that holds a `T`, and a node whose children do. Knows no
//! plugin's layout.

use core::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{CreateMode, Fault, Host, SessionId, json};

/// Names read at once.
const PAGE: u32 = 1_000;

/// A node whose data is a `T` in JSON.
#[derive(Debug)]
pub struct Node<T> {
    path: String,
    data: PhantomData<fn() -> T>,
}

#[allow(
    clippy::missing_errors_doc,
    reason = "the host's faults, and unreadable JSON"
)]
impl<T: Serialize + DeserializeOwned> Node<T> {
    /// The node at a path below the mount.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            data: PhantomData,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it holds; nothing if there is no such node.
    pub fn get(&self, host: &mut dyn Host) -> Result<Option<T>, Fault> {
        host.get_json_opt(&self.path)
    }

    /// True if there is such a node.
    pub fn is_there(&self, host: &mut dyn Host) -> Result<bool, Fault> {
        Ok(host.exists(&self.path)?.is_some())
    }

    /// Sets what it holds; the node comes to be, persistent, if there is none.
    pub fn put(&self, host: &mut dyn Host, value: &T) -> Result<(), Fault> {
        host.put_json(&self.path, value)
    }

    /// Makes the node; a fault if it is there.
    pub fn create(&self, host: &mut dyn Host, value: &T) -> Result<(), Fault> {
        host.create(&self.path, &json::write(value)?, CreateMode::Persistent)?;
        Ok(())
    }

    /// Makes the node; it ends with that session.
    pub fn create_for(
        &self,
        host: &mut dyn Host,
        value: &T,
        owner: SessionId,
    ) -> Result<(), Fault> {
        let data = json::write(value)?;
        host.create_owned(&self.path, &data, CreateMode::Ephemeral, owner)?;
        Ok(())
    }

    /// Ends it; true if it was there.
    pub fn remove(&self, host: &mut dyn Host) -> Result<bool, Fault> {
        host.remove(&self.path)
    }
}

/// A node whose children each hold a `T` in JSON.
#[derive(Debug)]
pub struct Dir<T> {
    path: String,
    data: PhantomData<fn() -> T>,
}

#[allow(
    clippy::missing_errors_doc,
    reason = "the host's faults, and unreadable JSON"
)]
impl<T: Serialize + DeserializeOwned> Dir<T> {
    /// The node at a path below the mount; the empty path is the mount.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            data: PhantomData,
        }
    }

    /// The child of that name.
    pub fn child(&self, name: &str) -> Node<T> {
        if self.path.is_empty() {
            return Node::at(name);
        }
        Node::at(format!("{}/{name}", self.path))
    }

    /// Makes sure that children can be made.
    pub fn ensure(&self, host: &mut dyn Host) -> Result<(), Fault> {
        host.ensure(&self.path)
    }

    /// Names in order behind `after`, at most `limit`; none if there is no such node.
    pub fn names(
        &self,
        host: &mut dyn Host,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        if host.exists(&self.path)?.is_none() {
            return Ok(Vec::new());
        }
        host.children(&self.path, after, limit)
    }

    /// The lowest name and what it holds.
    pub fn first(&self, host: &mut dyn Host) -> Result<Option<(String, T)>, Fault> {
        let Some(name) = self.names(host, None, 1)?.pop() else {
            return Ok(None);
        };
        let value = self.child(&name).get(host)?;
        Ok(value.map(|value| (name, value)))
    }

    /// Every child with what it holds, in order.
    pub fn all(&self, host: &mut dyn Host) -> Result<Vec<(String, T)>, Fault> {
        let mut all: Vec<(String, T)> = Vec::new();
        loop {
            let after = all.last().map(|(name, _)| name.clone());
            let page = self.names(host, after.as_deref(), PAGE)?;
            let is_last = page.len() < PAGE as usize;
            for name in page {
                if let Some(value) = self.child(&name).get(host)? {
                    all.push((name, value));
                }
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// How many children there are.
    pub fn len(&self, host: &mut dyn Host) -> Result<u64, Fault> {
        match host.exists(&self.path)? {
            Some(stat) => Ok(stat.num_children),
            None => Ok(0),
        }
    }

    /// Deletes the node if it has no children any more.
    pub fn remove_if_empty(&self, host: &mut dyn Host) -> Result<(), Fault> {
        if let Some(stat) = host.exists(&self.path)?
            && stat.num_children == 0
        {
            host.delete(&self.path, None)?;
        }
        Ok(())
    }
}
