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

    /// What ended while it was measured.
    pub(super) fn within<'a>(&self, cycles: &'a [Cycle]) -> impl Iterator<Item = &'a Cycle> {
        let measured = micros(self.warm_up)..=micros(self.end);
        let is_within = move |it: &&Cycle| measured.contains(&it.ended);
        cycles.iter().filter(is_within)
    }
}

/// How long each took, microseconds.
pub(super) fn durations<'a>(cycles: impl Iterator<Item = &'a Cycle>) -> Vec<u64> {
    cycles.map(|it| it.ended.saturating_sub(it.began)).collect()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
