//! Runs the log's crash images and bit flips in full, in release. It must never know what an image is.

use anyhow::Result;

use crate::cargo::Cargo;

/// How much to run; the share that `cargo test` runs is smaller.
#[derive(Debug, clap::Args)]
pub(crate) struct CrashImages {
    /// Recorded workloads, each cut at every call of the disk.
    #[arg(long, default_value_t = 1000)]
    workloads: u64,
    /// The first workload.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Flip every bit of the synced logs too, instead of a sample.
    #[arg(long)]
    flips: bool,
}

/// The tests of `crates/log` that count.
const TESTS: [&str; 3] = ["images::", "flips::a_flipped", "flips::without"];

/// Runs them.
pub(crate) fn run(images: &CrashImages) -> Result<()> {
    let mut call = Cargo::new(["test", "--locked", "--release", "--package", "zareba-log"])
        .with(["--test", "crashes", "--", "--nocapture"])
        .with(TESTS)
        .number("ZAREBA_CRASH_WORKLOADS", images.workloads)
        .number("ZAREBA_CRASH_START", images.start);
    if images.flips {
        call = call.number("ZAREBA_CRASH_FLIPS", 1);
    }
    call.run()
}
