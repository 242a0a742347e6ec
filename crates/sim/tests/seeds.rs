//! Many seeds without a violation, and each the same when it is run again. Knows no step.

use zareba_sim::{Config, Counts, Fault, Mark, run};

/// What the seeds of this test come to, all together.
fn total(seeds: u64) -> Counts {
    let mut total = Counts::default();
    for seed in 0..seeds {
        let report = run(Config::of(seed), false);
        assert_eq!(report.violation, None, "{}", Config::of(seed));
        total.add(&report.counts);
    }
    total
}

#[test]
fn seeds_hold_every_invariant_and_reach_every_fault_and_mark() {
    let total = total(SEEDS);
    for fault in Fault::ALL {
        assert!(total.of_fault(fault) > 0, "no {fault} in {SEEDS} seeds");
    }
    for mark in Mark::ALL {
        assert!(total.of_mark(mark) > 0, "no {mark} in {SEEDS} seeds");
    }
}

/// So many that every mark is reached; the seeds being fixed, it is the same ones every time.
const SEEDS: u64 = 800;

#[test]
fn a_seed_replays_to_the_same_fingerprint() {
    for seed in 0..30 {
        let (first, again) = (run(Config::of(seed), false), run(Config::of(seed), true));
        assert_eq!(first.hash, again.hash, "{}", Config::of(seed));
        assert_eq!(first.counts, again.counts);
        assert!(!again.lines.is_empty());
    }
    assert_ne!(
        run(Config::of(1), false).hash,
        run(Config::of(2), false).hash
    );
}
