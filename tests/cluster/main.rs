//! Ensembles of real processes under kill -9, pauses and restarts, one file for each thing that is
//! promised. Must never look inside a server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints what it has measured"
)]

mod client_killed;
mod exactly_once;
mod leader_killed;
mod leader_paused;
mod one_order;
mod rejoin_by_snapshot;
mod restart;
