//! Known bugs, planted in the broadcast core: exploring finds each within a stated number of states, and
//! finds nothing without it. Those that break what clients rely on are found by that: what a server
//! says of its own disk, which would be found at once, is not looked at.
#![expect(clippy::print_stdout, reason = "counts are for people")]

use stateright::{Checker, HasDiscoveries, Model as _};
use zareba_check::{Change, Ensemble, Kind, Scope};
use zareba_zab::Bug;

/// Explores that scope; how many states were generated, and what was violated.
fn explore(scope: Scope, states_max: usize) -> (usize, Vec<Kind>) {
    let checker = Ensemble::new(scope)
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(states_max)
        .spawn_bfs()
        .join();
    let mut violated = Kind::ALL.to_vec();
    violated.retain(|kind| checker.discovery(kind.name()).is_some());
    (checker.state_count(), violated)
}

/// Explores `planted` until `kind` is violated, and `sound` as far.
fn differ(planted: Scope, sound: Scope, kind: Kind, states_max: usize) {
    let (states, violated) = explore(planted, states_max);
    println!("{:?}: {states} states until {violated:?}", planted.bug);
    assert!(
        violated.contains(&kind) && states < states_max,
        "{planted:?}: {violated:?} within {states} states, not {kind:?}"
    );
    let (states, violated) = explore(sound, states.max(1_000));
    assert!(
        violated.is_empty(),
        "without the bug, {states} states hold {violated:?}"
    );
}

/// Found by what it leads to, every server's word trusted.
fn leads_to(bug: Bug, kind: Kind, states_max: usize) {
    let sound = Scope {
        checks_claims: false,
        ..Scope::default()
    };
    let bug = Some(bug);
    differ(Scope { bug, ..sound }, sound, kind, states_max);
}

/// Found by what a server says or remembers of its disk.
fn shows_as(bug: Bug, kind: Kind, states_max: usize) {
    let (bug, sound) = (Some(bug), Scope::default());
    differ(Scope { bug, ..sound }, sound, kind, states_max);
}

#[test]
fn an_ack_of_newleader_before_the_history_is_durable_is_found() {
    leads_to(Bug::AckNewLeaderBeforeHistory, Kind::Durability, 100_000);
}

#[test]
fn a_synced_history_that_is_logged_at_uptodate_is_found() {
    leads_to(Bug::SyncedLoggedAtUpToDate, Kind::Durability, 100_000);
}

#[test]
fn a_transaction_that_an_election_takes_for_committed_is_found() {
    let bug = Bug::UncommittedDeliveredAcrossElections;
    leads_to(bug, Kind::Durability, 20_000);
}

#[test]
fn acking_before_fsync_is_found() {
    leads_to(Bug::AckBeforeFsync, Kind::Durability, 20_000);
}

#[test]
fn committing_below_a_quorum_is_found() {
    leads_to(Bug::CommitBelowQuorum, Kind::Durability, 20_000);
}

#[test]
fn a_synced_history_that_is_delivered_at_newleader_is_found() {
    leads_to(Bug::SyncedDeliveredAtNewLeader, Kind::Durability, 60_000);
}

#[test]
fn a_reign_without_a_quorum_is_found() {
    leads_to(Bug::EstablishedWithoutQuorum, Kind::Durability, 60_000);
}

#[test]
fn a_log_that_is_cut_late_in_memory_is_found() {
    shows_as(Bug::TruncatesMemoryLate, Kind::MemoryIsDisk, 200_000);
}

#[test]
fn what_a_truncation_leaves_durable_in_memory_is_found() {
    shows_as(Bug::DurableSurvivesTruncation, Kind::Assertion, 200_000);
}

#[test]
fn an_epoch_that_is_named_before_it_is_durable_is_found() {
    shows_as(Bug::EpochNamedBeforeDurable, Kind::Claims, 10_000);
}

#[test]
fn an_epoch_that_is_adopted_at_uptodate_is_found() {
    shows_as(Bug::CurrentEpochAtUpToDate, Kind::Assertion, 10_000);
}

#[test]
fn a_change_of_the_ensemble_without_its_joint_half_is_found() {
    let sound = Scope {
        txns: 0,
        change: Some(Change::HandOver),
        checks_claims: false,
        ..Scope::default()
    };
    let planted = Scope {
        unjoined: true,
        ..sound
    };
    differ(planted, sound, Kind::LeaderCompleteness, 40_000);
}
