//! Runs the fuzz targets under libFuzzer, which needs a nightly compiler and cargo-fuzz; nothing else
//! in the repository does. It must never know what a target decodes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{Cargo, root};

/// What to run: every target that has a program, unless some are named.
#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// Targets, as fuzz/README.md lists them.
    targets: Vec<String>,
    /// Seconds for each.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// The compiler.
    #[arg(long, default_value = "nightly")]
    toolchain: String,
    /// Make the smallest inputs that were found, as many as fit, the committed corpus.
    #[arg(long)]
    keep: bool,
}

/// Targets that need the whole server in their program: minutes more to build.
const OF_THE_SERVER: [&str; 3] = ["component", "credential", "server_config"];

/// Runs them one after the other, up to the first that breaks a promise.
pub(crate) fn run(fuzz: &Fuzz) -> Result<()> {
    let targets = match fuzz.targets.is_empty() {
        true => all()?,
        false => fuzz.targets.clone(),
    };
    for target in &targets {
        let folder = root().join("target/fuzz/corpus").join(target);
        corpus("unpack", target, &folder).run()?;
        let call = fuzz.call(target, &folder);
        let mut command = Command::new("rustup");
        // The cargo that runs this program would otherwise be taken for the toolchain's.
        let status = command
            .args(&call)
            .env_remove("CARGO")
            .current_dir(root().join("fuzz"))
            .status()
            .context("rustup, which finds the nightly compiler and cargo-fuzz")?;
        if !status.success() {
            bail!(
                "`rustup {}` in fuzz/ ended with {status}; if cargo has no command `fuzz`: \
                 cargo install --locked cargo-fuzz",
                call.join(" ")
            );
        }
        if fuzz.keep {
            corpus("pack", target, &folder).run()?;
        }
    }
    Ok(())
}

impl Fuzz {
    /// What rustup is asked to run.
    fn call(&self, target: &str, folder: &Path) -> Vec<String> {
        let mut call: Vec<String> = ["run", &self.toolchain, "cargo", "fuzz", "run"]
            .map(str::to_owned)
            .into();
        call.extend(["--fuzz-dir", ".", "--target-dir"].map(str::to_owned));
        call.push(root().join("target/fuzz").display().to_string());
        if OF_THE_SERVER.contains(&target) {
            call.extend(["--features", "server"].map(str::to_owned));
        }
        call.extend([target.to_owned(), folder.display().to_string()]);
        call.push("--".to_owned());
        call.push(format!("-max_total_time={}", self.seconds));
        let bounds = ["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"];
        call.extend(bounds.map(str::to_owned));
        call
    }
}

/// The names of all programs.
fn all() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in std::fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        let path: PathBuf = file?.path();
        let name = path.file_stem().context("a program has a name")?;
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// The call that moves inputs between the repository and a fuzzer's folder.
fn corpus(what: &str, target: &str, folder: &Path) -> Cargo {
    let package = "zareba-fuzz-targets";
    Cargo::new(["run", "--locked", "--release", "--package", package])
        .with(["--bin", "zareba-fuzz-corpus", "--", what, target])
        .with([folder.display().to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_bounded_run_of_its_own() {
        let names = all().unwrap();
        assert!(
            OF_THE_SERVER
                .iter()
                .all(|it| names.contains(&(*it).to_owned()))
        );
        let fuzz = Fuzz {
            targets: Vec::new(),
            seconds: 9,
            toolchain: "nightly".to_owned(),
            keep: false,
        };
        let call = fuzz.call("component", Path::new("corpus")).join(" ");
        assert!(
            call.contains("--features server component corpus -- -max_total_time=9"),
            "{call}"
        );
        assert!(
            !fuzz
                .call("txn", Path::new("corpus"))
                .contains(&"server".to_owned())
        );
    }
}
