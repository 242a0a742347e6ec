//! Every check of the house, in one order, with one verdict. It must never write a tracked file, and
//! never change `RUSTFLAGS` between steps: that would build every dependency again.

#![expect(
    clippy::print_stdout,
    reason = "a person or a log reads this program's verdicts"
)]

use std::time::Duration;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;

use crate::cargo::Cargo;
use crate::clock;
use crate::sim::Sim;

/// The rooms that build without an operating system. `tests/tidy.rs` holds the same list and checks
/// what they depend on; here they are compiled for a machine that has no clock, disk or socket.
const PURE_ROOMS: [&str; 7] = ["model", "wire", "zk-wire", "zab", "tree", "log", "replica"];

/// The target of that machine.
const WASM: &str = "wasm32-unknown-unknown";

/// What to do where it is missing.
const WASM_FIX: &str = "rustup target add wasm32-unknown-unknown";

/// Seeds in the simulator's short run: enough to meet every fault, little enough for each change.
const SEEDS: u64 = 50;

/// One check.
struct Step {
    name: &'static str,
    title: &'static str,
    run: fn() -> Result<Verdict>,
}

/// How a check that did not fail ended.
enum Verdict {
    Passed,
    /// Passed, with the figures that say how much was checked.
    Counted(String),
    /// Not run, with what is missing for it.
    Skipped(&'static str),
}

/// In order: what is quick to fail first, and artifacts before their users.
const STEPS: [Step; 9] = [
    Step {
        name: "fmt",
        title: "formatting",
        run: fmt,
    },
    Step {
        name: "clippy",
        title: "lints",
        run: clippy,
    },
    Step {
        name: "doc",
        title: "documentation",
        run: doc,
    },
    Step {
        name: "wasm",
        title: "pure rooms without an operating system",
        run: wasm,
    },
    Step {
        name: "plugins",
        title: "guests rebuilt from source and compared",
        run: plugins,
    },
    Step {
        name: "test",
        title: "tests",
        run: test,
    },
    Step {
        name: "sim",
        title: "simulator, short run",
        run: sim,
    },
    Step {
        name: "bench",
        title: "benchmarks, each run once",
        run: bench,
    },
    Step {
        name: "deny",
        title: "licences, advisories and sources",
        run: deny,
    },
];

/// What `--only` accepts.
pub(crate) fn step_names() -> PossibleValuesParser {
    STEPS
        .iter()
        .map(|step| step.name)
        .collect::<Vec<_>>()
        .into()
}

/// Runs every step, or those named, up to the first that fails.
pub(crate) fn run(only: &[String]) -> Result<()> {
    let chosen = |step: &&Step| only.is_empty() || only.iter().any(|name| name == step.name);
    let mut closing = Vec::new();
    let (result, total) = clock::timed(|| {
        STEPS
            .iter()
            .filter(chosen)
            .try_for_each(|step| run_step(step, &mut closing))
    });
    println!("\n== ci: the steps");
    for line in &closing {
        println!("{line}");
    }
    result?;
    println!("== ci: passed in {}", seconds(total));
    Ok(())
}

fn run_step(step: &Step, closing: &mut Vec<String>) -> Result<()> {
    let Step { name, title, .. } = step;
    println!("\n== {name}: {title}");
    let (result, took) = clock::timed(step.run);
    let took = seconds(took);
    let verdict = match &result {
        Ok(Verdict::Passed) => format!("{name:8} passed  {took:>8}"),
        Ok(Verdict::Counted(counts)) => format!("{name:8} passed  {took:>8}  {counts}"),
        Ok(Verdict::Skipped(why)) => format!("{name:8} skipped: {why}"),
        Err(_) => format!("{name:8} FAILED  {took:>8}"),
    };
    println!("== {verdict}");
    closing.push(verdict);
    match result {
        Ok(_) => Ok(()),
        Err(error) => {
            bail!("step {name} failed: {error}\nrepeat it alone: cargo xtask ci --only {name}")
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn fmt() -> Result<Verdict> {
    Cargo::new(["fmt", "--all", "--check"]).run()?;
    Ok(Verdict::Passed)
}

fn clippy() -> Result<Verdict> {
    // Release, as every other step: what is checked here is compiled once for all of them.
    Cargo::new([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--release",
    ])
    .with(["--", "-D", "warnings"])
    .run()?;
    Ok(Verdict::Passed)
}

fn doc() -> Result<Verdict> {
    Cargo::new(["doc", "--locked", "--workspace", "--release", "--no-deps"])
        .with(["--document-private-items"])
        .variable("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    Ok(Verdict::Passed)
}

fn wasm() -> Result<Verdict> {
    if !has_target(WASM) {
        return Ok(Verdict::Skipped(WASM_FIX));
    }
    let rooms = PURE_ROOMS
        .iter()
        .flat_map(|room| ["-p".to_owned(), format!("zareba-{room}")]);
    Cargo::new(["build", "--locked", "--release", "--lib", "--target", WASM])
        .with(rooms)
        .run()?;
    Ok(Verdict::Counted(format!("{} rooms", PURE_ROOMS.len())))
}

fn plugins() -> Result<Verdict> {
    if !has_target(WASM) {
        return Ok(Verdict::Skipped(WASM_FIX));
    }
    crate::plugins::run(true)?;
    Ok(Verdict::Passed)
}

/// True if the compiler in use has the standard library of that target.
fn has_target(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = std::process::Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(crate::cargo::root())
        .output();
    answer.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success() && std::path::Path::new(&folder).is_dir()
    })
}

fn test() -> Result<Verdict> {
    // Release: the simulator's suites need the speed, and the benchmarks use the same artifacts.
    let call = Cargo::new([
        "test",
        "--locked",
        "--release",
        "--workspace",
        "--no-fail-fast",
    ]);
    let mut counts = TestCounts::default();
    let result = call.run_watched(|line| counts.read(line));
    if let Err(error) = result {
        bail!("{error}; {counts}");
    }
    if counts.passed == 0 {
        bail!("no test ran");
    }
    Ok(Verdict::Counted(counts.to_string()))
}

/// The sum of the test runner's own closing lines.
#[derive(Debug, Default, PartialEq)]
struct TestCounts {
    suites: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl TestCounts {
    fn read(&mut self, line: &str) {
        let Some((_, figures)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        self.suites += 1;
        for figure in figures.split("; ") {
            match figure.split_once(' ') {
                Some((n, "passed")) => self.passed += n.parse().unwrap_or(0),
                Some((n, "failed")) => self.failed += n.parse().unwrap_or(0),
                Some((n, "ignored")) => self.ignored += n.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for TestCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            suites,
            passed,
            failed,
            ignored,
        } = self;
        write!(
            f,
            "{passed} passed; {failed} failed; {ignored} ignored; {suites} suites"
        )
    }
}

fn sim() -> Result<Verdict> {
    Sim::of_seeds(SEEDS).call().run()?;
    Ok(Verdict::Counted(format!("{SEEDS} seeds")))
}

fn bench() -> Result<Verdict> {
    // Only the bench targets: the libraries' own tests have run already.
    Cargo::new([
        "bench",
        "--locked",
        "--workspace",
        "--bench",
        "*",
        "--",
        "--test",
    ])
    .run()?;
    Ok(Verdict::Passed)
}

fn deny() -> Result<Verdict> {
    if !Cargo::new(["deny", "--version"]).succeeds() {
        return Ok(Verdict::Skipped("cargo install --locked cargo-deny"));
    }
    Cargo::new(["deny", "--locked", "check"]).run()?;
    Ok(Verdict::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_several_suites_are_summed() {
        let mut counts = TestCounts::default();
        counts.read("test wire::golden ... ok");
        counts.read(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; \
             finished in 0.01s",
        );
        counts.read(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 1.50s",
        );
        assert_eq!(
            counts,
            TestCounts {
                suites: 2,
                passed: 15,
                failed: 2,
                ignored: 1
            }
        );
    }

    #[test]
    fn every_step_has_its_own_name() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }

    #[test]
    fn the_first_failure_names_the_step_and_how_to_repeat_it() {
        let step = Step {
            name: "x",
            title: "always fails",
            run: || bail!("the cause"),
        };
        let mut closing = Vec::new();
        let error = run_step(&step, &mut closing).unwrap_err().to_string();
        assert_eq!(
            error,
            "step x failed: the cause\nrepeat it alone: cargo xtask ci --only x"
        );
        assert!(closing.iter().all(|line| line.contains("FAILED")));
    }
}
