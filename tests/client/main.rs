//! What the client library promises, against real processes: recipes while leaders are killed, futures
//! dropped halfway, sessions that end without a server. Must never look inside a server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints what it has measured"
)]

mod access;
mod barrier;
mod blocking;
mod chroot;
mod counter;
mod create;
mod election;
mod expiry;
mod local;
mod lock;
mod operations;
mod queue;
mod watches;

use std::time::Duration;

/// A timeout that no dead server makes pass.
const LONG: Duration = Duration::from_secs(30);
