//! Histories of real processes under kill -9, pauses and cut connections: what clients asked and
//! were told must have an order in which one znode after the other explains all of it. Must never
//! look inside a server.
//!
//! ```text
//! ZAREBA_HISTORY_OPERATIONS=100000 ZAREBA_HISTORY_FAULTS=200 ZAREBA_HISTORY_SEED=7 \
//!     cargo test --release -p zareba-tests --test histories -- --nocapture
//! ```
//!
//! Without the variables a run is short and its seed drawn. The seed fixes what the nemesis and the
//! clients choose, not when the processes do it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints what it has measured"
)]

mod znode;

mod history;

mod checker;

mod worker;

mod crew;

mod nemesis;

mod order;

mod exactly_once;
mod illegal;
mod linearizable;

mod budget;
