//! When a run warms up, is measured and ends, and what was done when in it. Knows not what is done.

use std::time::{Duration, Instant};

use crate::clock;

/// When a run begins to count and when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    origin: Instant,
    warm_up: Duration,
    end: Duration,
}

/// From when to when, microseconds from the run's beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    pub(super) began: u64,
    pub(super) ended: u64,
}

impl Timetable {
    /// A run that begins now.
    pub(super) fn now(warm_up: Duration, measured: Duration) -> Self {
        Self {
            origin: clock::now(),
            warm_up,
            end: warm_up + measured,
        }
    }

    /// Nothing is begun any more.
    pub(super) fn is_over(&self) -> bool {
        self.origin.elapsed() >= self.end
    }

    /// Microseconds from the beginning.
    pub(super) fn time(&self) -> u64 {
        micros(self.origin.elapsed())
    }

    /// How long is measured.
    pub(super) fn measured(&self) -> Duration {
        self.end - self.warm_up
    }

    /// How long each took that ended while it was measured, microseconds, and how many seconds were
    /// measured: if the time was too short for any, those from the beginning of all to the end of all.
    pub(super) fn durations(&self, cycles: &[Cycle]) -> (Vec<u64>, f64) {
        let within = self.within(cycles);
        if !within.is_empty() {
            return (within, self.measured().as_secs_f64());
        }
        let last = cycles.iter().map(|it| it.ended).max().unwrap_or(0);
        let all = cycles.iter().map(Cycle::took).collect();
        (all, last as f64 / 1e6)
    }

    /// The same, and none if none ended while it was measured.
    pub(super) fn within(&self, cycles: &[Cycle]) -> Vec<u64> {
        let measured = micros(self.warm_up)..=micros(self.end);
        let is_within = |it: &&Cycle| measured.contains(&it.ended);
        cycles.iter().filter(is_within).map(Cycle::took).collect()
    }
}

impl Cycle {
    fn took(&self) -> u64 {
        self.ended.saturating_sub(self.began)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
