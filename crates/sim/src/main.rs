//! The simulator's command: many seeds at once, or one again. It must never know what a seed
//! decides.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use mimalloc::MiMalloc;
use zareba_sim::{Config, Counts, Report, run};

mod clock;

/// A run is mostly small short-lived messages: a sixth less time than with the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
struct Arguments {
    seeds: u64,
    start: u64,
    threads: u64,
    calm: bool,
    trace: bool,
    implant: Implanted,
}

#[cfg(feature = "bugs")]
type Implanted = Option<zareba_sim::Implant>;
/// Nothing can be planted in this build.
#[cfg(not(feature = "bugs"))]
type Implanted = Option<std::convert::Infallible>;

const USAGE: &str = "usage: zareba-sim [--seeds N] [--start S] [--threads T] [--calm]
       zareba-sim --seed X [--calm] [--trace]
       either with --bug NAME, in a build with the feature bugs";

fn main() -> ExitCode {
    let Some(arguments) = parse(std::env::args().skip(1)) else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    // A server's panic is a finding and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let began = clock::seconds();
    let (counts, violations) = run_all(arguments);
    let took = clock::seconds() - began;
    say(&format!("{counts}"));
    let threads = arguments.threads.min(arguments.seeds.max(1));
    let rate = arguments.seeds as f64 / took.max(0.001);
    let hourly = rate * 3_600.0 / threads as f64;
    say(&format!(
        "{} seeds in {took:.1} s on {threads} threads: {rate:.0} a second, {hourly:.0} an hour on \
         each; {violations} violations",
        arguments.seeds
    ));
    if violations == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(mut of: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments {
        seeds: 1_000,
        start: 0,
        threads: thread::available_parallelism().map_or(1, |it| it.get() as u64),
        calm: false,
        trace: false,
        implant: None,
    };
    while let Some(name) = of.next() {
        if name == "--bug" {
            arguments.implant = Some(implant(&of.next()?)?);
            continue;
        }
        let mut number = || of.next()?.parse::<u64>().ok();
        match name.as_str() {
            "--seeds" => arguments.seeds = number()?,
            "--start" => arguments.start = number()?,
            "--threads" => arguments.threads = number()?.max(1),
            "--seed" => (arguments.start, arguments.seeds) = (number()?, 1),
            "--calm" => arguments.calm = true,
            "--trace" => arguments.trace = true,
            _ => return None,
        }
    }
    Some(arguments)
}

#[cfg(feature = "bugs")]
fn implant(name: &str) -> Option<zareba_sim::Implant> {
    zareba_sim::Implant::named(name)
}

#[cfg(not(feature = "bugs"))]
fn implant(_: &str) -> Option<std::convert::Infallible> {
    complain("this build has no bug bank; build it with --features bugs");
    None
}

#[cfg(feature = "bugs")]
fn plant(implant: Implanted, config: Config) -> Config {
    Config { implant, ..config }
}

#[cfg(not(feature = "bugs"))]
fn plant(_: Implanted, config: Config) -> Config {
    config
}

/// Runs all seeds on all threads; returns what happened and how many went wrong.
fn run_all(arguments: Arguments) -> (Counts, u64) {
    let (mut counts, mut violations, mut done) = (Counts::default(), 0, 0);
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        let (reports, arrived) = mpsc::sync_channel::<Report>(64);
        for _ in 0..arguments.threads {
            let (reports, next) = (reports.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.seeds {
                        return;
                    }
                    let seed = arguments.start + seed;
                    let config = plant(
                        arguments.implant,
                        match arguments.calm {
                            true => Config::calm(seed),
                            false => Config::of(seed),
                        },
                    );
                    if reports.send(run(config, arguments.trace)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(reports);
        for report in arrived {
            done += 1;
            counts.add(&report.counts);
            report.lines.iter().for_each(|line| say(line));
            if let Some(violation) = report.violation {
                violations += 1;
                say(&format!("seed {}: {violation}", report.seed));
                let config = plant(arguments.implant, Config::of(report.seed));
                say(&format!("  replay: {config}"));
            }
            if done % 500 == 0 {
                complain(&format!(
                    "{done} of {} seeds, {violations} violations",
                    arguments.seeds
                ));
            }
        }
    });
    (counts, violations)
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "progress and usage are not results")]
fn complain(line: &str) {
    eprintln!("{line}");
}
