//! Whole ensembles of the real core, with disks and links that fail.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test program has no interface"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "traces are for people")]

#[cfg(feature = "bugs")]
mod bugs;
mod cluster;
mod disk;
mod election;
mod founding;
mod membership;
mod network;
mod oracle;
mod random;
mod rng;
mod scripts;
mod silence;
mod turn_over;
mod words;
