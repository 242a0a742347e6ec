//! The only place of the server that reads a clock. Must never know what the time is used for.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zareba_replica::Now;

/// Measures from the moment it was made.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Both times at once. A wall clock set before 1970 reads as 1970.
    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic: zareba_zab::Now(micros(self.start.elapsed())),
            wall_ms: wall_ms(),
        }
    }
}

/// The time of day, milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back() {
        let clock = Clock::new();
        let first = clock.now();
        let second = clock.now();
        assert!(second.monotonic >= first.monotonic);
        assert!(first.wall_ms > 1_700_000_000_000);
    }
}
