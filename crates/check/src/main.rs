//! The model checker's command: explores a scope and says how far it came. It must never know what a
//! property means.
#![expect(clippy::print_stdout, reason = "counts are for people and logs")]

use std::process::ExitCode;

use clap::Parser;
use stateright::{Checker as _, HasDiscoveries, Model as _};
use zareba_check::{Change, Ensemble, Scope, Start};

mod counts;

use counts::Counts;

/// What is asked for most.
const EXAMPLES: &str = "\
Examples, and what they took on one core:
  cargo xtask check                                 1 transaction, 1 power cut: 3 s
  cargo xtask check --txns 0 --change hand-over     a change of the ensemble: 5 s
  cargo xtask check --breaks 1                      and 1 broken link: 5 min
  cargo xtask check --txns 2 --breaks 1 --max-states 40000000

The exit code is 0 unless a property does not hold; the path to its violation is printed. `complete`
means that no state within the bounds was left out.";

/// Explores every order of events in an ensemble of three, within these bounds.
#[derive(Debug, Parser)]
#[command(name = "zareba-check", after_help = EXAMPLES)]
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
    /// A change of the ensemble that leaders make.
    #[arg(long, value_enum)]
    change: Option<Change>,
    /// Entries kept in memory for followers; with few, they get snapshots.
    #[arg(long, default_value_t = Scope::default().window)]
    window: usize,
    /// Where exploring begins.
    #[arg(long, value_enum, default_value_t = Start::Reign)]
    from: Start,
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
    /// Leave out the half of a change in which both quorums must agree.
    #[cfg(feature = "bugs")]
    #[arg(long)]
    unjoined: bool,
    /// Plant a bug; a wrong name tells which there are.
    #[cfg(feature = "bugs")]
    #[arg(long, value_parser = zareba_check::bug_named)]
    bug: Option<zareba_zab::Bug>,
}

impl Arguments {
    fn scope(&self) -> Scope {
        Scope {
            txns: self.txns,
            crashes: self.crashes,
            breaks: self.breaks,
            timeouts: self.timeouts,
            window: self.window,
            change: self.change,
            start: self.from,
            epochs: self.epochs,
            hasty: self.hasty,
            prompt_votes: !self.every_vote,
            checks_claims: !self.trusting,
            #[cfg(feature = "bugs")]
            unjoined: self.unjoined,
            #[cfg(feature = "bugs")]
            bug: self.bug,
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
