//! What several benchmarks need: a clock, transactions, a plugin's stage and servers in memory.
//!
//! This room must never assert a time: a benchmark that is run once, in CI, proves that it works.

#![expect(
    clippy::expect_used,
    reason = "a benchmark's set-up either works or says where it does not"
)]

pub mod clock;

pub mod requests;

pub mod broadcast;

pub mod stage;

pub mod guests;

pub mod solo;
