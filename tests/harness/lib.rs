//! The whole system under test: the real binary as real processes on loopback, that are killed,
//! paused and started again while library clients watch. Must never look inside a server: it knows
//! what an operator and a client know.
//!
//! ```no_run
//! # async fn example() {
//! let mut ensemble = harness::Ensemble::start(3).await;
//! let client = ensemble.client().await;
//! let leader = ensemble.leader().await;
//! ensemble.kill(leader).await;
//! client.sync().await.unwrap();
//! # }
//! ```
//!
//! Every wait is for a condition and has a deadline ([`until()`]). One ensemble runs at a time in a
//! test program, so that tests do not starve each other of processors. When a test fails, the last
//! lines of every server's log are printed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a harness may fail like the test that uses it, and says so where tests do"
)]

mod binary;
pub use binary::binary;

mod ensemble;
pub use ensemble::Ensemble;

mod joining;

mod log;

mod member;

pub mod plugin;

mod port;

mod process;
pub use process::Process;

mod relay;
pub use relay::{Traffic, Ways};

mod until;
pub use until::{PATIENCE, until, within};

mod writer;
pub use writer::{Writer, Written};
