//! Known bugs, planted: the checks must find each of them, by what it leads to and by what it claims.

use zareba_zab::config::Bug;

use crate::random::Run;

/// The first seed that finds the bug.
fn seed_that_finds(bug: Bug, checks_claims: bool) -> Option<u64> {
    (1..2_000).find(|seed| {
        std::panic::catch_unwind(|| {
            let mut run = Run::new(*seed, |config| config.bug = Some(bug));
            run.cluster.oracle.checks_claims = checks_claims;
            run.run(3_000);
        })
        .is_err()
    })
}

fn is_found(bug: Bug) {
    for checks_claims in [true, false] {
        let seed = seed_that_finds(bug, checks_claims);
        println!("{bug:?}, claims checked {checks_claims}: found by seed {seed:?}");
        assert!(seed.is_some(), "{bug:?} was not found");
    }
}

#[test]
fn acking_before_fsync_is_found() {
    is_found(Bug::AckBeforeFsync);
}

#[test]
fn committing_below_a_quorum_is_found() {
    is_found(Bug::CommitBelowQuorum);
}

#[test]
fn writing_the_epoch_before_its_history_is_found() {
    is_found(Bug::EpochBeforeHistory);
}
