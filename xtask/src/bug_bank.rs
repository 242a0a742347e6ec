//! Runs the measurement of the bug bank, in release. It must never know how a bug is found.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cargo::Cargo;

/// The document that holds the table.
const DOCUMENT: &str = "docs/bug-bank.md";

/// What to measure: every bug of the bank, unless one is named.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct BugBank {
    /// Replace the table in docs/bug-bank.md by what is measured.
    #[arg(long, conflicts_with = "bug")]
    write: bool,
    /// This one alone.
    #[arg(long)]
    bug: Option<String>,
    /// Seeds of one search at most.
    #[arg(long)]
    seeds: Option<u64>,
    /// How many searches at the same time.
    #[arg(long)]
    threads: Option<u64>,
}

impl BugBank {
    /// The call that does it, at that commit.
    fn call(&self, commit: &str) -> Cargo {
        let mut options = Vec::new();
        let mut give = |name: &str, value: Option<String>| {
            options.extend(value.into_iter().flat_map(|it| [name.to_owned(), it]));
        };
        give("--bug", self.bug.clone());
        give("--seeds", self.seeds.map(|it| it.to_string()));
        give("--threads", self.threads.map(|it| it.to_string()));
        if self.write {
            give("--write", Some(DOCUMENT.to_owned()));
            give("--commit", Some(commit.to_owned()));
        }
        Cargo::new(["run", "--locked", "--release", "--package", "zareba-sim"])
            .with(["--features", "bugs", "--bin", "zareba-bug-bank", "--"])
            .with(options)
    }
}

/// Runs it.
pub(crate) fn run(bank: &BugBank) -> Result<()> {
    let commit = Command::new("git")
        .args(["rev-parse", "--short=7", "HEAD"])
        .output()
        .context("ask git for the commit that is measured")?;
    let commit = String::from_utf8_lossy(&commit.stdout);
    bank.call(commit.trim()).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_written_with_its_commit() {
        let bank = BugBank {
            write: true,
            seeds: Some(9),
            ..BugBank::default()
        };
        let line = bank.call("abc1234").line();
        let end = "-- --seeds 9 --write docs/bug-bank.md --commit abc1234";
        assert!(line.ends_with(end), "{line}");
    }
}
