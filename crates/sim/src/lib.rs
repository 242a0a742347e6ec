//! A cluster in one thread from one seed.
//!
//! The real replicas, with the real log and its recovery, in a world where time, links, disks and
//! power are simulated and every chance comes from a seed. After every step the properties in
//! `invariants/` are checked; once the faults are over, everything must come to rest. The same
//! seed gives the same run, to the last message, which its fingerprint proves.
//!
//! This room must never know a real clock, socket or file.

pub mod seed;
pub use seed::Config;

pub mod runner;
pub use runner::{run, run_recipe};

pub mod recipe;
pub use recipe::{Call, Guest, Judge, Recipe, Seen};

pub mod report;
pub use report::{Counts, Report};

pub mod fault;
pub use fault::{Fault, Faults};

pub mod marks;
pub use marks::Mark;

pub mod violation;
pub use violation::Violation;

mod implants;
#[cfg(feature = "bugs")]
pub use implants::Implant;
#[cfg(feature = "bugs")]
pub mod bank;

mod cluster;

mod disk;
mod founding;
pub use founding::Votes;
mod image;
mod medium;
mod network;
mod schedule;
mod server;

mod client;
mod identity;
mod lock_plugin;
mod workload;

mod invariants;
mod oracle;
mod reference;
mod rules;

mod dice;
mod trace;
