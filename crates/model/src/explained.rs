//! What a call would come to, if it were made: for people, who decide whether to make it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Effect, Fault, GuestCost};

/// What a call would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// What the guest would answer.
    pub answer: Result<ExplainedAnswer, Fault>,
    /// What its transaction would do.
    pub effects: Vec<Effect>,
    /// What it took to find out.
    pub cost: GuestCost,
    /// What it would have written into its log: level and line.
    pub log: Vec<(u8, String)>,
}

/// An answer of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExplainedAnswer {
    /// This at once.
    Done(Bytes),
    /// Later: it waits for that, for at most so many milliseconds.
    Parks {
        /// What it waits for.
        tag: String,
        /// For how long.
        timeout_ms: Option<u64>,
    },
}
