//! A command's answer, now or later. Knows no operation.

use serde::{Deserialize, Serialize};

use crate::{Fault, Outcome, Shape, Wait, json};

/// What a command that may park comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply<T> {
    /// The answer.
    Now(T),
    /// None yet: some later transaction answers the call.
    Later(Wait),
}

impl<T> Reply<T> {
    /// Parks the call under a tag; it fails by itself after the timeout, if there is one.
    pub fn later(tag: impl Into<String>, timeout_ms: Option<u64>) -> Self {
        Self::Later(Wait {
            tag: tag.into(),
            timeout: timeout_ms,
        })
    }
}

impl<T: Serialize> Reply<T> {
    /// As the contract has it, in JSON.
    pub fn into_outcome(self) -> Result<Outcome, Fault> {
        match self {
            Self::Now(answer) => json::done(&answer),
            Self::Later(wait) => Ok(Outcome::Park(wait)),
        }
    }
}

impl<T: Shape> Shape for Reply<T> {
    fn shape() -> String {
        T::shape()
    }
}

/// The input or answer of an operation that needs none: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

impl Shape for Empty {
    fn shape() -> String {
        "{}".into()
    }
}
