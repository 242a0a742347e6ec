//! What is wrong when a run fails. Decides nothing.

use thiserror::Error;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{invariant}: {what}")]
pub struct Violation {
    /// Which one, as the files of `invariants/` are named, or `panic`.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

impl Violation {
    /// A violation of one invariant.
    pub(crate) fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self {
            invariant,
            what: what.into(),
        }
    }
}

/// Fails with a violation unless the condition holds.
macro_rules! hold {
    ($condition:expr, $invariant:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::violation::Violation::new($invariant, format!($($what)+)));
        }
    };
}
pub(crate) use hold;
