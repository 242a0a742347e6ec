//! Disks that fail, fill up, rot or vanish under real processes: service goes on, nothing acknowledged
//! is lost, and each server says what has happened and what to do. Must never look inside a server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod failing;
mod looking_at_it;
mod paused;
mod rotten;
mod wiped;
