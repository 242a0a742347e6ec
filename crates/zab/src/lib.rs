//! Atomic broadcast, sans-IO: payloads are opaque bytes.

pub mod config;
pub use config::Config;
pub mod input;
pub use input::{Input, Now};
pub mod message;
pub use message::{Candidate, Join, Message, Phase};
pub mod output;
pub use output::{Output, Persist, Role, Token};
