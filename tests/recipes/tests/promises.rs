//! Every recipe's promise while servers die, disks fail and links break.

#![expect(
    clippy::print_stderr,
    clippy::panic,
    reason = "a failing seed says how it is run again"
)]

use std::fmt::Debug;
use std::rc::Rc;

use zareba_guest_sdk::testing::Promise;
use zareba_sim::{Config, Recipe};
use zareba_tests_recipes::{Judged, Native};

/// Seeds of one recipe, unless the environment says how many.
const SEEDS: u64 = 40;

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a recipe in the simulator. `ZAREBA_SEEDS` is how many seeds; `ZAREBA_SEED` is the one to run again,
/// with its steps.
fn holds<P: Promise + 'static>(name: &str)
where
    P::Plugin: Debug + 'static,
{
    let again = number_of("ZAREBA_SEED");
    let seeds = match again {
        Some(seed) => seed..seed + 1,
        None => 0..number_of("ZAREBA_SEEDS").unwrap_or(SEEDS),
    };
    let (mut txns, mut answers) = (0, 0);
    for seed in seeds {
        let recipe = Recipe {
            guest: Rc::new(Native::<P::Plugin>::default()),
            judge: Box::new(Judged::<P>::default()),
        };
        let report = zareba_sim::run_recipe(Config::of(seed), again.is_some(), recipe);
        report.lines.iter().for_each(|line| eprintln!("{line}"));
        if let Some(violation) = report.violation {
            panic!(
                "seed {seed}: {violation}\nagain: ZAREBA_SEED={seed} cargo test --release -p zareba-tests-recipes \
                 --test promises -- --exact {name}"
            );
        }
        txns += report.counts.txns;
        answers += report.counts.answers;
    }
    eprintln!("{name}: {txns} transactions, {answers} answers, no violation");
    assert!(answers > 0, "nobody asked anything");
}

#[test]
fn barrier() {
    holds::<zareba_plugin_barrier::promise::HoldsBack>("barrier");
}

#[test]
fn config() {
    holds::<zareba_plugin_config::promise::Whole>("config");
}

#[test]
fn counter() {
    holds::<zareba_plugin_counter::promise::Sums>("counter");
}

#[test]
fn double_barrier() {
    holds::<zareba_plugin_double_barrier::promise::Together>("double_barrier");
}

#[test]
fn election() {
    holds::<zareba_plugin_election::promise::OneLeader>("election");
}

#[test]
fn fleet() {
    holds::<zareba_plugin_fleet::promise::OneMaster>("fleet");
}

#[test]
fn group() {
    holds::<zareba_plugin_group::promise::Truthful>("group");
}

#[test]
fn lease() {
    holds::<zareba_plugin_lease::promise::OneToken>("lease");
}

#[test]
fn lock() {
    holds::<zareba_plugin_lock::promise::OneHolder>("lock");
}

#[test]
fn multilock() {
    holds::<zareba_plugin_multilock::promise::AllOrNone>("multilock");
}

#[test]
fn queue() {
    holds::<zareba_plugin_queue::promise::NothingLost>("queue");
}

#[test]
fn rate_limit() {
    holds::<zareba_plugin_rate_limit::promise::NeverTooFast>("rate_limit");
}

#[test]
fn rendezvous() {
    holds::<zareba_plugin_rendezvous::promise::BothOrNone>("rendezvous");
}

#[test]
fn rwlock() {
    holds::<zareba_plugin_rwlock::promise::Order>("rwlock");
}

#[test]
fn semaphore() {
    holds::<zareba_plugin_semaphore::promise::NeverTooMany>("semaphore");
}

#[test]
fn shards() {
    holds::<zareba_plugin_shards::promise::Level>("shards");
}

#[test]
fn topics() {
    holds::<zareba_plugin_topics::promise::TwoKeepers>("topics");
}
