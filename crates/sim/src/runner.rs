//! Runs one seed to its end, whatever that is. Knows no step.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cluster::Cluster;
use crate::recipe::Recipe;
use crate::report::Report;
use crate::seed::Config;
use crate::violation::Violation;

/// Runs a configuration. A server that panics has found a broken invariant of its own.
pub fn run(config: Config, tracing: bool) -> Report {
    run_to_the_end(config, tracing, None)
}

/// Out of a hundred requests, how many are calls of a plugin under test at least.
const RECIPE_PERCENT: u64 = 70;

/// The same with a plugin under test in place of the sample one.
pub fn run_recipe(config: Config, tracing: bool, recipe: Recipe) -> Report {
    let config = Config {
        calls_percent: config.calls_percent.max(RECIPE_PERCENT),
        ..config
    };
    run_to_the_end(config, tracing, Some(recipe))
}

fn run_to_the_end(config: Config, tracing: bool, recipe: Option<Recipe>) -> Report {
    let seed = config.seed;
    let mut cluster = Cluster::new(config, tracing, recipe);
    let ended = catch_unwind(AssertUnwindSafe(|| cluster.run()));
    let violation = match ended {
        Ok(result) => result.err(),
        Err(panic) => Some(Violation::new("panic", words(panic.as_ref()))),
    };
    Report {
        seed,
        hash: cluster.trace.hash(),
        counts: cluster.take_counts(),
        violation,
        lines: cluster.trace.lines.take().unwrap_or_default(),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
