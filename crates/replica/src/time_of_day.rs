//! The time that a leader writes into transactions: it never stands still, never goes back, and comes
//! after a wall clock that jumps ahead at most at double speed. Deadlines are measured by it, so that a
//! jump of a clock neither holds them up for hours nor ends them all at once. Must never read a clock.

use crate::input::Now;

/// One reign's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeOfDay {
    shown_ms: u64,
    /// When that was so, by the monotonic clock, microseconds.
    as_of_us: u64,
}

impl TimeOfDay {
    /// A reign begins: nothing that was written before is later.
    pub(crate) fn begin(written_ms: u64, now: Now) -> Self {
        Self {
            shown_ms: now.wall_ms.max(written_ms),
            as_of_us: now.monotonic.0,
        }
    }

    /// The time now.
    pub(crate) fn at(&mut self, now: Now) -> u64 {
        let passed_ms = now.monotonic.0.saturating_sub(self.as_of_us) / 1_000;
        self.as_of_us += passed_ms * 1_000;
        self.shown_ms += passed_ms;
        let behind_ms = now.wall_ms.saturating_sub(self.shown_ms);
        self.shown_ms += behind_ms.min(passed_ms);
        self.shown_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(us: u64, wall_ms: u64) -> Now {
        Now {
            monotonic: zareba_zab::Now(us),
            wall_ms,
        }
    }

    #[test]
    fn it_follows_a_good_wall_clock() {
        let mut time = TimeOfDay::begin(5_000, now(0, 7_000));
        assert_eq!(time.at(now(1_500, 7_001)), 7_001);
        assert_eq!(time.at(now(2_000, 7_002)), 7_002);
    }

    #[test]
    fn it_goes_on_while_the_wall_clock_is_behind() {
        let mut time = TimeOfDay::begin(5_000_000, now(0, 1_000));
        assert_eq!(time.at(now(0, 1_000)), 5_000_000);
        assert_eq!(time.at(now(40_000, 900)), 5_000_040);
    }

    #[test]
    fn it_comes_after_a_jump_at_double_speed() {
        let mut time = TimeOfDay::begin(0, now(0, 1_000));
        assert_eq!(time.at(now(10_000, 9_000_010)), 1_020);
        assert_eq!(time.at(now(20_000, 9_000_020)), 1_040);
        assert_eq!(time.at(now(30_000, 1_045)), 1_050);
    }
}
