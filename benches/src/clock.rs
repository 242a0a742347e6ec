//! The one place where benchmarks read the time, for loops that only partly count.
//! Must never know what is measured.

use std::time::{Duration, Instant};

/// How long `work` takes.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the benchmarks' clock: measuring is what they are for"
)]
pub fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}
