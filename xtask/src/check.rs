//! Runs the model checker's own binary, in release. It must never know what a state is.

use anyhow::Result;

use crate::cargo::Cargo;

/// What to explore; all of it is the checker's business.
#[derive(Debug, Default, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Check {
    /// Passed on as they are; `--help` tells which there are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

impl Check {
    /// The call that does it.
    fn call(&self) -> Cargo {
        Cargo::new(["run", "--locked", "--release", "--package", "zareba-check"])
            .with(["--bin", "zareba-check", "--"])
            .with(&self.options)
    }
}

/// Runs it.
pub(crate) fn run(check: &Check) -> Result<()> {
    check.call().run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_passed_on() {
        let options = ["--txns".to_owned(), "2".to_owned()].to_vec();
        let line = Check { options }.call().line();
        assert!(line.ends_with("--bin zareba-check -- --txns 2"), "{line}");
    }
}
