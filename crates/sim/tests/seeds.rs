//! Many seeds without a violation, and each the same when it is run again. Knows no step.

use zareba_sim::{Config, run};

#[test]
fn seeds_run_to_their_end_without_a_violation() {
    for seed in 0..300 {
        let report = run(Config::of(seed), false);
        assert_eq!(report.violation, None, "{}", Config::of(seed));
    }
}

#[test]
fn a_seed_replays_to_the_same_fingerprint() {
    for seed in 0..40 {
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

#[test]
fn every_kind_of_fault_strikes_somewhere() {
    let mut total = zareba_sim::Counts::default();
    for seed in 0..150 {
        total.add(&run(Config::of(seed), false).counts);
    }
    for (name, count) in total.each() {
        let rare = name == "damaged logs";
        assert!(count > 0 || rare, "nothing of {name} in 150 seeds");
    }
}
