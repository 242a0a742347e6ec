//! The one owner of time in this program: how long a step took. It must never know what a step is.

use std::time::{Duration, Instant};

/// Runs `work` and says how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the program's clock"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
