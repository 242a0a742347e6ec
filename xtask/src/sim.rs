//! Runs the simulator's own binary, in release. It must never know what a seed decides.

use anyhow::Result;

use crate::cargo::Cargo;

/// Which runs to make; what is not given is left to the simulator.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Sim {
    /// How many seeds to run.
    #[arg(long)]
    pub(crate) seeds: Option<u64>,
    /// The first seed.
    #[arg(long)]
    start: Option<u64>,
    /// How many runs at the same time.
    #[arg(long)]
    threads: Option<u64>,
    /// One seed alone, to replay it.
    #[arg(long, conflicts_with_all = ["seeds", "start"])]
    seed: Option<u64>,
    /// A historical bug to plant, by its issue: docs/bug-bank.md names them.
    #[arg(long)]
    bug: Option<String>,
    /// Passed on as they are.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// From so many seeds on, what the compiler takes longer is less than what the run saves.
const LONG_RUN_SEEDS: u64 = 100_000;

impl Sim {
    /// A run of that many seeds from the first one.
    pub(crate) fn of_seeds(seeds: u64) -> Self {
        Self {
            seeds: Some(seeds),
            ..Self::default()
        }
    }

    /// The call that does it.
    pub(crate) fn call(&self) -> Cargo {
        let options = [
            ("--seeds", self.seeds),
            ("--start", self.start),
            ("--threads", self.threads),
            ("--seed", self.seed),
        ];
        let given = options
            .into_iter()
            .filter_map(|(name, value)| Some([name.to_owned(), value?.to_string()]))
            .flatten();
        let profile = match self.seeds {
            Some(seeds) if seeds >= LONG_RUN_SEEDS => "sim",
            _ => "release",
        };
        let mut call = Cargo::new(["run", "--locked", "--profile", profile]);
        call = call.with(["--package", "zareba-sim"]);
        if self.bug.is_some() {
            call = call.with(["--features", "bugs"]);
        }
        let bug = self.bug.iter().flat_map(|name| ["--bug", name]);
        call.with(["--bin", "zareba-sim", "--"])
            .with(given)
            .with(bug)
            .with(&self.rest)
    }
}

/// Runs it.
pub(crate) fn run(sim: &Sim) -> Result<()> {
    sim.call().run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_given_options_are_passed_on() {
        let line = Sim::of_seeds(7).call().line();
        assert!(line.ends_with("--bin zareba-sim -- --seeds 7"), "{line}");
        assert!(!line.contains("--features"), "{line}");
    }

    #[test]
    fn a_long_run_is_optimized_as_a_whole() {
        let profile = |seeds| Sim::of_seeds(seeds).call().line();
        assert!(profile(7).contains("--profile release "));
        assert!(profile(1_000_000).contains("--profile sim "));
    }

    #[test]
    fn a_bug_is_planted_in_a_build_that_can() {
        let sim = Sim {
            bug: Some("zk-3911".to_owned()),
            ..Sim::of_seeds(7)
        };
        let line = sim.call().line();
        let end = "--features bugs --bin zareba-sim -- --seeds 7 --bug zk-3911";
        assert!(line.ends_with(end), "{line}");
    }
}
