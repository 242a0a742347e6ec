//! The one place of this binary that reads the clock.

use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the binary's clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
