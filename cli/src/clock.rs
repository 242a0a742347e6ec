//! The one place of this binary that reads the clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the binary's clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970, to be set against what servers of this machine log.
#[expect(clippy::disallowed_methods, reason = "this is the binary's clock")]
pub(crate) fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_micros()).unwrap_or(u64::MAX)
}
