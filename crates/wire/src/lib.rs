//! Native bytes: what clients, and the log, may rely on.
//!
//! This room must never know a socket, a disk or what any message does.

pub mod client;
pub use client::{ClientMessage, Hello, ServerMessage, Welcome};
