//! The bug bank's table is true: every implant has a row, and is still found by an invariant that
//! its row names. Knows no invariant's inside.

use zareba_sim::Implant;
use zareba_sim::bank::{first_found, found_by, rows};

const TABLE: &str = include_str!("../../../docs/bug-bank.md");

/// How many times the seeds that the slowest search of the table took are tried if the seed of the
/// table finds nothing: the simulator's dice change more often than the table is measured.
const PATIENCE: u64 = 4;

/// Tried at least: a change of the core moves more than the dice do.
const SEEDS_MIN: u64 = 400;

#[test]
fn every_implant_has_a_row_and_every_row_an_implant() {
    let named: Vec<String> = rows(TABLE).into_iter().map(|row| row.name).collect();
    let implants: Vec<&str> = Implant::ALL.iter().map(|it| it.name()).collect();
    assert_eq!(
        named, implants,
        "measure again: cargo xtask bug-bank --write"
    );
}

#[test]
fn every_implant_is_still_found_by_an_invariant_of_its_row() {
    let missed: Vec<String> = rows(TABLE)
        .into_iter()
        .filter_map(|row| {
            let implant = Implant::named(&row.name).unwrap();
            let bound = (row.seeds_max * PATIENCE).max(SEEDS_MIN);
            let invariant = found_by(row.seed, implant)
                .map(|(invariant, _)| invariant)
                .or_else(|| first_found(implant, 0, bound).map(|found| found.invariant));
            let known = invariant.is_some_and(|it| row.invariants.iter().any(|known| known == it));
            (!known).then(|| format!("{implant} is found by {invariant:?}, not by {row:?}"))
        })
        .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
