//! The model checker's command: explores a scope and says how far it came. It must never know what a
//! property means.
#![expect(clippy::print_stdout, reason = "counts are for people and logs")]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use stateright::{Checker as _, HasDiscoveries, Model as _};
use zareba_check::{Ensemble, Scope, Start};

mod counts;

use counts::Counts;

/// Explores every order of events in an ensemble of three, within these bounds.
#[derive(Debug, Parser)]
#[command(name = "zareba-check")]
struct Arguments {
    /// Transactions proposed at most.
    #[arg(long, default_value_t = Scope::default().txns)]
    txns: u8,
    /// Power cuts at most.
    #[arg(long, default_value_t = Scope::default().crashes)]
    crashes: u8,
    /// Links broken at most, those of crashes apart.
    #[arg(long, default_value_t = Scope::default().breaks)]
    breaks: u8,
    /// Timeouts at most.
    #[arg(long, default_value_t = Scope::default().timeouts)]
    timeouts: u8,
    /// Entries kept in memory for followers; with few, they get snapshots.
    #[arg(long, default_value_t = Scope::default().window)]
    window: usize,
    /// Where exploring begins.
    #[arg(long, value_enum, default_value_t = From::Reign)]
    from: From,
    /// Epochs opened at most.
    #[arg(long, default_value_t = Scope::default().epochs)]
    epochs: u32,
    /// Let a quorum of votes be enough at once.
    #[arg(long)]
    hasty: bool,
    /// Explore every order of votes too, instead of letting a vote arrive as soon as it is next on
    /// its link.
    #[arg(long)]
    every_vote: bool,
    /// Threads that explore.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Stop after about so many generated states.
    #[arg(long)]
    max_states: Option<usize>,
    /// Explore no path longer than this.
    #[arg(long)]
    depth: Option<usize>,
    /// See only what false words of servers lead to, not that they are false.
    #[arg(long)]
    trusting: bool,
    /// Plant a bug.
    #[cfg(feature = "bugs")]
    #[arg(long, value_enum)]
    bug: Option<counts::Planted>,
}

/// Where exploring begins.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// Fresh disks, no links, no leader.
    Cold,
    /// A leader is established and all follow it.
    Reign,
}

impl Arguments {
    fn scope(&self) -> Scope {
        Scope {
            txns: self.txns,
            crashes: self.crashes,
            breaks: self.breaks,
            timeouts: self.timeouts,
            window: self.window,
            start: match self.from {
                From::Cold => Start::Cold,
                From::Reign => Start::Reign,
            },
            epochs: self.epochs,
            hasty: self.hasty,
            prompt_votes: !self.every_vote,
            checks_claims: !self.trusting,
            #[cfg(feature = "bugs")]
            bug: self.bug.map(counts::Planted::bug),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A failed assertion of the core is a finding, and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let scope = arguments.scope();
    println!("{scope:?}");
    let mut checker = Ensemble::new(scope)
        .checker()
        .threads(arguments.threads.max(1))
        .finish_when(HasDiscoveries::AnyFailures);
    if let Some(states) = arguments.max_states {
        checker = checker.target_state_count(states);
    }
    if let Some(depth) = arguments.depth {
        checker = checker.target_max_depth(depth);
    }
    let mut counts = Counts::default();
    let checker = checker.spawn_bfs().join_and_report(&mut counts);
    let cut_short = counts.states >= arguments.max_states.unwrap_or(usize::MAX)
        || checker.max_depth() >= arguments.depth.unwrap_or(usize::MAX);
    counts.report(cut_short);
    if counts.failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
