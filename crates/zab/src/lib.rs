//! Atomic broadcast, sans-IO: payloads are opaque bytes.

pub mod config;
#[cfg(feature = "bugs")]
pub use config::Bug;
pub use config::Config;
pub mod input;
pub use input::{Input, Now};
pub mod message;
pub use message::{Candidate, Join, Message, Phase};
pub mod output;
pub use output::{Output, Persist, Role, Token};
pub mod member;
pub use member::Recovered;
pub mod zab;
pub use zab::{NotLeading, Zab};

mod following;
mod history;
mod invariants;
mod leading;
mod learner_progress;
mod looking;
mod persistence;
mod quorum;
mod timer;
