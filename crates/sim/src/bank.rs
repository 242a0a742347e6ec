//! The bug bank: how soon each implant is found, and the table that says so. Knows no step of a run.

use std::fmt::Write as _;

use crate::implants::Implant;
use crate::runner::run;
use crate::seed::Config;

/// How an implant was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The seed that finds it and is clean without it.
    pub seed: u64,
    /// How many seeds it took, that one counted.
    pub seeds: u64,
    /// The invariant that fired.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

/// A run of that seed with a bug in it.
pub fn planted(seed: u64, implant: Implant) -> Config {
    Config {
        implant: Some(implant),
        ..Config::of(seed)
    }
}

/// What a seed finds; nothing if it is not clean without the implant.
pub fn found_by(seed: u64, implant: Implant) -> Option<(&'static str, String)> {
    let violation = run(planted(seed, implant), false).violation?;
    let clean = run(Config::of(seed), false).violation.is_none();
    clean.then_some((violation.invariant, violation.what))
}

/// The first of so many seeds from `start` on that finds the implant.
pub fn first_found(implant: Implant, start: u64, seeds_max: u64) -> Option<Found> {
    (0..seeds_max).find_map(|past| {
        let seed = start + past;
        let (invariant, what) = found_by(seed, implant)?;
        Some(Found {
            seed,
            seeds: past + 1,
            invariant,
            what,
        })
    })
}

/// Where the searches begin: far enough from each other to share no seed.
pub const STARTS: [u64; 3] = [0, 1_000_000, 2_000_000];

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The implant's name.
    pub name: String,
    /// The invariants that fired, the one of the first seed first.
    pub invariants: Vec<String>,
    /// The first seed that found it.
    pub seed: u64,
    /// Seeds until found: the most of all searches.
    pub seeds_max: u64,
}

const HEAD: &str = "| id | bug | implanted | invariant | first seed | seeds: median / max | commit |\n\
                    |---|---|---|---|---|---|---|\n";

/// The table of all implants, given how each was found by each search.
pub fn table(found: &[(Implant, Vec<Option<Found>>)], commit: &str) -> String {
    let mut table = HEAD.to_owned();
    for (implant, searches) in found {
        let mut seeds: Vec<u64> = searches.iter().flatten().map(|it| it.seeds).collect();
        seeds.sort_unstable();
        let mut invariants: Vec<&str> = Vec::new();
        for it in searches.iter().flatten() {
            if !invariants.contains(&it.invariant) {
                invariants.push(it.invariant);
            }
        }
        let invariants = invariants.join(", ");
        let first = searches.iter().flatten().next();
        let first = first.map_or_else(|| "none".to_owned(), |it| it.seed.to_string());
        let median = seeds.get(seeds.len() / 2).map_or(0, |it| *it);
        let max = seeds.last().map_or(0, |it| *it);
        let missed = searches.len() - seeds.len();
        let missed = match missed {
            0 => String::new(),
            missed => format!(" ({missed} not found)"),
        };
        let _infallible = writeln!(
            table,
            "| {} | `{}` {} | {} | {invariants} | {first} | {median} / {max}{missed} | {commit} |",
            implant.id(),
            implant.name(),
            implant.mistake(),
            implant.place(),
        );
    }
    table
}

/// The document with its table replaced; `None` if it has none.
pub fn with_table(document: &str, table: &str) -> Option<String> {
    let begin = document.find(HEAD.lines().next()?)?;
    let (before, rest) = document.split_at_checked(begin)?;
    let rows = rest.lines().take_while(|line| line.starts_with('|'));
    let length: usize = rows.map(|line| line.len() + 1).sum();
    let behind = rest.get(length.min(rest.len())..)?;
    Some(format!("{before}{table}{behind}"))
}

/// The rows of a document's table.
pub fn rows(document: &str) -> Vec<Row> {
    document.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, _, bug, _, invariants, seed, seeds, ..] = cells.as_slice() else {
        return None;
    };
    let name = bug.strip_prefix('`')?.split('`').next()?.to_owned();
    let invariants = invariants.split(", ").map(str::to_owned).collect();
    let seeds_max = seeds.split('/').nth(1)?.trim().split(' ').next()?;
    Some(Row {
        name,
        invariants,
        seed: seed.parse().ok()?,
        seeds_max: seeds_max.parse().ok()?,
    })
}
