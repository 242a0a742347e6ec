//! Known bugs, planted in the broadcast core: exploring finds each by what it leads to, within a stated
//! number of states, and finds nothing without it. It must never rely on what a server says of its
//! own disk, which would be found at once.
#![expect(clippy::print_stdout, reason = "counts are for people")]

use stateright::{Checker, HasDiscoveries, Model as _};
use zareba_check::{Ensemble, Kind, Scope};
use zareba_zab::Bug;

/// Explores that scope, trusting every server's word; how many states were generated, and what
/// was violated.
fn explore(scope: Scope, states_max: usize) -> (usize, Vec<Kind>) {
    let checker = Ensemble::new(Scope {
        checks_claims: false,
        ..scope
    })
    .checker()
    .finish_when(HasDiscoveries::AnyFailures)
    .target_state_count(states_max)
    .spawn_bfs()
    .join();
    let mut violated = Kind::ALL.to_vec();
    violated.retain(|kind| checker.discovery(kind.name()).is_some());
    (checker.state_count(), violated)
}

fn is_found(bug: Bug, kind: Kind, scope: Scope, states_max: usize) {
    let bug = Some(bug);
    let (states, violated) = explore(Scope { bug, ..scope }, states_max);
    println!("{bug:?}: {states} states until {violated:?}");
    assert!(
        violated.contains(&kind) && states < states_max,
        "{bug:?}: {violated:?} within {states} states, not {kind:?}"
    );
    let (states, violated) = explore(scope, states);
    assert!(
        violated.is_empty(),
        "without the bug, {states} states hold {violated:?}"
    );
}

#[test]
fn an_ack_of_newleader_before_the_history_is_durable_is_found() {
    let bug = Bug::AckNewLeaderBeforeHistory;
    is_found(bug, Kind::Durability, Scope::default(), 100_000);
}

#[test]
fn a_synced_history_that_is_logged_at_uptodate_is_found() {
    let bug = Bug::SyncedLoggedAtUpToDate;
    is_found(bug, Kind::Durability, Scope::default(), 100_000);
}

#[test]
fn a_transaction_that_an_election_takes_for_committed_is_found() {
    let bug = Bug::UncommittedDeliveredAcrossElections;
    is_found(bug, Kind::Durability, Scope::default(), 20_000);
}

#[test]
fn acking_before_fsync_is_found() {
    is_found(
        Bug::AckBeforeFsync,
        Kind::Durability,
        Scope::default(),
        20_000,
    );
}

#[test]
fn committing_below_a_quorum_is_found() {
    is_found(
        Bug::CommitBelowQuorum,
        Kind::Durability,
        Scope::default(),
        20_000,
    );
}
