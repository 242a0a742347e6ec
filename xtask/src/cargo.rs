//! Calls of cargo, always from the repository's root and with the cargo that runs this program.
//! It must never know why a call is made.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// One call of cargo: kept as data, so that what is printed is what is run.
pub(crate) struct Cargo {
    environment: Vec<(&'static str, String)>,
    arguments: Vec<String>,
}

impl Cargo {
    /// A call with these arguments.
    pub(crate) fn new<A: AsRef<str>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments
            .into_iter()
            .map(|a| a.as_ref().to_owned())
            .collect();
        Self {
            environment: Vec::new(),
            arguments,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn with<A: AsRef<str>>(mut self, more: impl IntoIterator<Item = A>) -> Self {
        self.arguments
            .extend(more.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment for this call alone.
    #[must_use]
    pub(crate) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// The same with a number.
    #[must_use]
    pub(crate) fn number(self, name: &'static str, value: u64) -> Self {
        self.variable(name, &value.to_string())
    }

    /// The call as one would type it.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        for (name, value) in &self.environment {
            let _ = write!(line, "{name}=\"{value}\" ");
        }
        line.push_str("cargo");
        for argument in &self.arguments {
            let quoted = argument.contains([' ', '*']);
            let _ = if quoted {
                write!(line, " '{argument}'")
            } else {
                write!(line, " {argument}")
            };
        }
        line
    }

    /// Runs it, its output going straight to the terminal.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.command().status().with_context(|| self.line())?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.line());
        }
        Ok(())
    }

    /// Runs it, copies its standard output line by line, and shows each line to `watch` as well.
    pub(crate) fn run_watched(&self, mut watch: impl FnMut(&str)) -> Result<()> {
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| self.line())?;
        let pipe = child
            .stdout
            .take()
            .context("the child has no standard output")?;
        let mut terminal = io::stdout().lock();
        for line in BufReader::new(pipe).lines() {
            let line = line?;
            writeln!(terminal, "{line}")?;
            watch(&line);
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.line());
        }
        Ok(())
    }

    /// True if it ends well; says nothing.
    pub(crate) fn succeeds(&self) -> bool {
        let quiet = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        quiet.is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(root());
        command
    }
}

/// The repository's root. The variable is read when the program runs, because a build directory
/// may be shared by several clones.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_prints_as_it_would_be_typed() {
        let call = Cargo::new(["bench", "--bench", "*"]).variable("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            call.line(),
            "RUSTDOCFLAGS=\"-D warnings\" cargo bench --bench '*'"
        );
    }

    #[test]
    fn a_failing_call_names_itself() {
        let error = Cargo::new(["no-such-subcommand"])
            .run()
            .unwrap_err()
            .to_string();
        assert!(error.contains("`cargo no-such-subcommand`"), "{error}");
    }

    #[test]
    fn the_root_holds_the_workspace() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
