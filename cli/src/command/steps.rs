//! Many changes in steps: multis that are small beside what a server takes, so that no other client
//! waits long for one. Knows nothing of what the changes are for.

use zareba_client::model::Change;

/// Most changes in one step.
const CHANGES_MAX: usize = 500;

/// A step is full when its paths and data take so many bytes.
const BYTES_FULL: usize = 1 << 20;

/// Changes that are made together.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) changes: Vec<Change>,
    bytes: usize,
}

impl Step {
    /// One change more.
    pub(super) fn push(&mut self, change: Change) {
        self.bytes += change.path().as_str().len();
        if let Change::Create { data, .. } | Change::Set { data, .. } = &change {
            self.bytes += data.len();
        }
        self.changes.push(change);
    }

    /// True if it should be made before the next change is added.
    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= CHANGES_MAX || self.bytes >= BYTES_FULL
    }

    /// Hands it over and begins an empty one.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}
