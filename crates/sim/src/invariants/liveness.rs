//! Once the faults are over: there is a leader, all servers come to the same state, every request
//! is answered, and every session that has no client is over.

use crate::violation::Violation;

/// What is still missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) Vec<String>);

impl Missing {
    pub(crate) fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// The time in which all had to come right is over.
    pub(crate) fn too_late(&self) -> Violation {
        Violation::new("liveness", self.0.join("; "))
    }
}
