//! How long a run is and which seed it has, as the environment says. Knows no operation.

use std::str::FromStr;

/// How much is asked of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Operations answered, at least.
    pub(crate) operations: u64,
    /// Strikes of the nemesis, at least.
    pub(crate) strikes: u64,
    /// Where all choices come from.
    pub(crate) seed: u64,
}

impl Budget {
    /// What the environment says, or else a short run; says how to have the same again.
    pub(crate) fn read(test: &str, operations: u64, strikes: u64) -> Self {
        let budget = Self {
            operations: variable("ZAREBA_HISTORY_OPERATIONS").unwrap_or(operations),
            strikes: variable("ZAREBA_HISTORY_FAULTS").unwrap_or(strikes),
            seed: variable("ZAREBA_HISTORY_SEED").unwrap_or_else(rand::random),
        };
        println!(
            "{test}: again with ZAREBA_HISTORY_OPERATIONS={} ZAREBA_HISTORY_FAULTS={} \
             ZAREBA_HISTORY_SEED={} cargo test --release -p zareba-tests --test histories {test}",
            budget.operations, budget.strikes, budget.seed
        );
        budget
    }
}

fn variable<T: FromStr<Err: std::fmt::Debug>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}
