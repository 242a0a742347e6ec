//! The repository's own commands: `cargo xtask ci`, `plugins`, `check`, `sim`, `bug-bank`,
//! `crash-images` and `fuzz`. It must never be needed to build, test or run a single package.

mod bug_bank;
mod cargo;
mod check;
mod ci;
mod clock;
mod crash_images;
mod fuzz;
mod plugins;
mod sim;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[expect(
    clippy::print_stderr,
    reason = "the last words go to a person or a log"
)]
fn main() -> ExitCode {
    let result = match Xtask::parse().command {
        Command::Ci { only } => ci::run(&only),
        Command::Plugins { check } => plugins::run(check),
        Command::Check(check) => check::run(&check),
        Command::Sim(sim) => sim::run(&sim),
        Command::BugBank(bank) => bug_bank::run(&bank),
        Command::CrashImages(images) => crash_images::run(&images),
        Command::Fuzz(fuzz) => fuzz::run(&fuzz),
    };
    // Not as `main`'s result: that would add a backtrace of this program to the cause.
    result.map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The repository's own commands")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Proves the house: every check, in order, up to the first that fails. Writes no tracked file.
    Ci {
        /// Run this step alone; may be given several times.
        #[arg(long, value_name = "STEP", value_parser = ci::step_names())]
        only: Vec<String>,
    },
    /// Builds the guests and writes their components to where they are committed.
    Plugins {
        /// Only compare them with what is committed.
        #[arg(long)]
        check: bool,
    },
    /// Explores every order of events in an ensemble of three, within bounds: the model checker.
    Check(check::Check),
    /// Runs the simulator over many seeds, or over one again.
    Sim(sim::Sim),
    /// Measures how soon the simulator finds each historical bug of the bank.
    BugBank(bug_bank::BugBank),
    /// Recovers the log from every disk image that power cuts and flipped bits can leave.
    CrashImages(crash_images::CrashImages),
    /// Runs the fuzz targets under libFuzzer; needs a nightly compiler and cargo-fuzz.
    Fuzz(fuzz::Fuzz),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_sound() {
        super::Xtask::command().debug_assert();
    }
}
