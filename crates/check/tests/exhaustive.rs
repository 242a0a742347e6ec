//! Small scopes, explored to their end: nothing that must always hold is violated, and what should be
//! possible is.
#![expect(clippy::print_stdout, reason = "counts are for people")]

use stateright::{Checker, HasDiscoveries, Model as _};
use zareba_check::{Change, Ensemble, Kind, Scope, Start};

/// Explores all of that scope; `seen` must be possible in it, and it must hold at least so many
/// states, lest a mistake in the model leave nothing to explore.
fn holds(scope: Scope, unique_min: usize, seen: &[&'static str]) {
    let checker = Ensemble::new(scope)
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let (states, unique) = (checker.state_count(), checker.unique_state_count());
    println!("{scope:?}: {states} generated, {unique} unique");
    for kind in Kind::ALL {
        if let Some(path) = checker.discovery(kind.name()) {
            let violation = path.last_state().violation().cloned();
            panic!("{violation:?} after {:#?}", path.into_actions());
        }
    }
    for name in seen {
        assert!(checker.discovery(name).is_some(), "never seen: {name}");
    }
    assert!(unique >= unique_min, "only {unique} states were found");
}

#[test]
fn a_transaction_and_a_crash_in_any_order_violate_nothing() {
    let seen = [
        "a transaction is committed",
        "a second reign is established",
        "a second reign commits",
        "a follower truncates its log",
    ];
    holds(Scope::default(), 10_000, &seen);
}

#[test]
fn a_transaction_and_a_broken_link_in_any_order_violate_nothing() {
    let scope = Scope {
        crashes: 0,
        breaks: 1,
        ..Scope::default()
    };
    holds(scope, 1_000, &["a transaction is committed"]);
}

#[test]
fn a_first_election_in_any_order_of_all_words_violates_nothing() {
    let scope = Scope {
        txns: 0,
        crashes: 0,
        start: Start::Cold,
        prompt_votes: false,
        ..Scope::default()
    };
    holds(scope, 10_000, &[]);
}

#[test]
fn a_snapshot_or_a_read_of_the_log_and_a_crash_in_any_order_violate_nothing() {
    let scope = Scope {
        window: 0,
        ..Scope::default()
    };
    let seen = [
        "a follower takes a snapshot",
        "a leader reads its log for a follower",
    ];
    holds(scope, 10_000, &seen);
}

/// All of a change and a crash; a crash between its halves leaves the second to a later reign.
fn change_holds(change: Change) {
    let scope = Scope {
        txns: 0,
        change: Some(change),
        ..Scope::default()
    };
    let seen = [
        "a change of the ensemble is complete",
        "a later reign ends a change of the ensemble",
    ];
    holds(scope, 10_000, &seen);
}

#[test]
fn an_observer_becomes_a_voter_amid_a_crash_in_any_order_and_violates_nothing() {
    change_holds(Change::Promote);
}

#[test]
fn the_leader_leaves_the_ensemble_amid_a_crash_in_any_order_and_violates_nothing() {
    change_holds(Change::Remove);
}

#[test]
fn an_observer_replaces_the_leader_amid_a_crash_in_any_order_and_violates_nothing() {
    change_holds(Change::Replace);
}

#[test]
fn an_observer_replaces_the_only_voter_amid_a_crash_in_any_order_and_violates_nothing() {
    change_holds(Change::HandOver);
}
