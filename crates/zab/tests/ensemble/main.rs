//! Whole ensembles of the real core, with disks and links that fail.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test program has no interface"
)]

#[cfg(feature = "bugs")]
mod bugs;
mod cluster;
mod disk;
mod network;
mod oracle;
mod random;
mod rng;
mod scripts;
mod words;
