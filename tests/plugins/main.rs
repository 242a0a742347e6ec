//! Plugins pushed through the client to an ensemble of processes: their life, and what happens to
//! those that misbehave. Must never touch the plugin host itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints what it has measured"
)]

mod hostile;
mod life;
mod misbehaving;
mod recipes;
