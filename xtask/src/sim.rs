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
        let mut call = Cargo::new(["run", "--locked", "--release", "--package", "zareba-sim"]);
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
