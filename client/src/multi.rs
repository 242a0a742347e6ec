//! Several changes that happen together or not at all, collected. Knows no connection.

use bytes::Bytes;
use zareba_model::{Acl, Change, CreateMode, PathError};

use crate::IntoPath;

/// Changes to be made together, in order. A path that is none is reported when it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "nothing happens before it is given to `Client::multi`"]
pub struct Multi {
    changes: Vec<Change>,
    error: Option<PathError>,
}

impl Multi {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new node, open to everybody.
    pub fn create(self, path: impl IntoPath, data: impl Into<Bytes>, mode: CreateMode) -> Self {
        self.create_with(path, data, mode, Acl::open())
    }

    /// A new node with an access control list.
    pub fn create_with(
        mut self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        mode: CreateMode,
        acl: Acl,
    ) -> Self {
        if let Some(path) = self.checked(path) {
            let data = data.into();
            self.changes.push(Change::Create {
                path,
                data,
                mode,
                acl,
            });
        }
        self
    }

    /// New data, if the node has the version named.
    pub fn set(
        mut self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        version: Option<u64>,
    ) -> Self {
        if let Some(path) = self.checked(path) {
            let data = data.into();
            self.changes.push(Change::Set {
                path,
                data,
                version,
            });
        }
        self
    }

    /// The node's end, if it has the version named.
    pub fn delete(mut self, path: impl IntoPath, version: Option<u64>) -> Self {
        if let Some(path) = self.checked(path) {
            self.changes.push(Change::Delete { path, version });
        }
        self
    }

    /// A new access control list, if the list has the version named; its outcome is
    /// [`Outcome::Set`](crate::Outcome::Set).
    pub fn set_acl(mut self, path: impl IntoPath, acl: Acl, version: Option<u64>) -> Self {
        if let Some(path) = self.checked(path) {
            self.changes.push(Change::SetAcl { path, acl, version });
        }
        self
    }

    /// Nothing, but all is refused unless the node is there and has the version named.
    pub fn check(mut self, path: impl IntoPath, version: Option<u64>) -> Self {
        if let Some(path) = self.checked(path) {
            self.changes.push(Change::Check { path, version });
        }
        self
    }

    /// The changes, or what is wrong with the first path that is none.
    pub(crate) fn into_changes(self) -> Result<Vec<Change>, PathError> {
        self.error.map_or(Ok(self.changes), Err)
    }

    fn checked(&mut self, path: impl IntoPath) -> Option<zareba_model::ZnodePath> {
        match path.into_path() {
            Ok(path) => Some(path),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }
}

impl From<Vec<Change>> for Multi {
    fn from(changes: Vec<Change>) -> Self {
        Self {
            changes,
            error: None,
        }
    }
}
