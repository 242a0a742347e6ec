//! The only place of this library that reads the clock. Knows nothing of what the time is for.

use tokio::time::Instant;

/// The monotonic time of the runtime.
pub(crate) fn now() -> Instant {
    Instant::now()
}
