//! Known bugs, planted in the broadcast, are found within a few seeds, and by the invariant that
//! names them. Knows no invariant's inside.

use zareba_sim::{Config, run};
use zareba_zab::Bug;

/// The first seed that finds the bug, and which invariant does.
fn first_found(bug: Bug, seeds: u64) -> Option<(u64, &'static str)> {
    (0..seeds).find_map(|seed| {
        let config = Config {
            bug: Some(bug),
            ..Config::of(seed)
        };
        let violation = run(config, false).violation?;
        Some((seed, violation.invariant))
    })
}

#[test]
fn an_ack_before_fsync_is_found() {
    let (_, invariant) = first_found(Bug::AckBeforeFsync, 20).unwrap();
    assert_eq!(invariant, "durable_claims");
}

#[test]
fn a_commit_below_a_quorum_is_found() {
    let (_, invariant) = first_found(Bug::CommitBelowQuorum, 20).unwrap();
    assert_eq!(invariant, "acked_on_quorum");
}

#[test]
fn an_epoch_written_before_its_history_is_found() {
    let (_, invariant) = first_found(Bug::EpochBeforeHistory, 200).unwrap();
    assert_eq!(invariant, "epochs");
}
