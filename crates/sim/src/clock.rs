//! The real clock, for the command's rate alone. No run may ever read it.

use std::sync::OnceLock;
use std::time::Instant;

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Seconds since the first call.
#[expect(clippy::disallowed_methods, reason = "this file is the clock's owner")]
pub(crate) fn seconds() -> f64 {
    BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64()
}
