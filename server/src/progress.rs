//! Says how far a long piece of work is, about once a second. Must never know what the work is.

use crate::clock::Clock;

/// Work that is under way.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    unit: &'static str,
    total: u64,
    clock: Clock,
    calls: u32,
    /// When it speaks next, in microseconds of its own clock.
    speaks_at: u64,
}

/// It speaks so often.
const SECOND_US: u64 = 1_000_000;

/// The clock is looked at once in so many calls.
const CALLS: u32 = 256;

impl Progress {
    /// Begins; `total` may be an estimate.
    pub(crate) fn begin(what: &'static str, unit: &'static str, total: u64) -> Self {
        Self {
            what,
            unit,
            total,
            clock: Clock::new(),
            calls: 0,
            speaks_at: SECOND_US,
        }
    }

    /// So much is done by now.
    pub(crate) fn at(&mut self, done: u64) {
        self.calls += 1;
        if !self.calls.is_multiple_of(CALLS) {
            return;
        }
        let elapsed = self.clock.now().monotonic.0;
        if elapsed >= self.speaks_at {
            self.speaks_at = elapsed + SECOND_US;
            tracing::info!("{}", self.line(done, elapsed));
        }
    }

    /// Milliseconds since the beginning.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.clock.now().monotonic.0 / 1000
    }

    fn line(&self, done: u64, elapsed_us: u64) -> String {
        let (what, unit) = (self.what, self.unit);
        // The total may turn out too small; then all that can be said is what is done.
        if done == 0 || self.total <= done {
            return format!("{what}: {done} {unit}");
        }
        let total = self.total;
        let percent = u128::from(done) * 100 / u128::from(total);
        let left_us = u128::from(elapsed_us) * u128::from(total - done) / u128::from(done);
        let left = left_us.div_ceil(u128::from(SECOND_US));
        format!("{what}: {done} of about {total} {unit} ({percent} %), about {left} s left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_is_done_and_how_long_the_rest_will_take() {
        let progress = Progress::begin("loading the image", "records", 1_000_000);
        assert_eq!(
            progress.line(250_000, 2 * SECOND_US),
            "loading the image: 250000 of about 1000000 records (25 %), about 6 s left"
        );
        assert_eq!(
            progress.line(1_200_000, SECOND_US),
            "loading the image: 1200000 records"
        );
        assert_eq!(progress.line(0, SECOND_US), "loading the image: 0 records");
    }
}
