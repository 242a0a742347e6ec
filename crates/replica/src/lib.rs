//! The request path, pure: what runs under the server and the simulator alike.
//!
//! A request walks through the files in the order in which they stand below. `replica` is the
//! hallway, the only room that knows the stages; the stages never import each other. Time,
//! randomness and everything that comes from outside are arguments ([`Input`], [`Now`]); all that
//! a server does is an [`Output`]. One thread owns a [`Replica`], hands it inputs in batches,
//! calls [`Replica::flush`] after each batch, and carries the outputs out in order.
//!
//! This room must never know a socket, a file, a clock, a thread or WebAssembly.

pub mod config;
pub use config::Config;

mod bug;
#[cfg(feature = "bugs")]
pub use bug::Bug;

pub mod input;
pub use input::{ConnectionId, Input, Now};

mod replica;
pub use replica::Replica;

mod admit;
mod audit;
mod confirming;
mod entering;
mod held;
mod renewing;

mod change;
mod guest_call;
pub mod plugin;
mod plugin_seen;
mod prepare;
mod share;
mod stage;

mod layer;
mod world;

mod event_history;
mod expiry;
mod watch;

mod checkpoint;
mod record;
pub mod recovery;
mod time_of_day;
mod transfer;

pub mod output;
pub use output::{AuditRecord, ImageWrite, Output};
