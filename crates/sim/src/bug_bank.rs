//! The command that measures the bug bank: all searches, on all threads, and the table of what they
//! came to. Must never know how an implant is found.

use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zareba_sim::Implant;
use zareba_sim::bank::{Found, STARTS, first_found, table, with_table};

const USAGE: &str = "usage: zareba-bug-bank [--bug NAME] [--seeds MOST] [--threads T]
       [--write DOCUMENT --commit HASH]";

fn main() -> ExitCode {
    let Some(measuring) = parse(std::env::args().skip(1)) else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    // A server's panic is a finding and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    match measuring.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn parse(mut of: impl Iterator<Item = String>) -> Option<Measuring> {
    let mut measuring = Measuring {
        only: None,
        seeds_max: 20_000,
        threads: thread::available_parallelism().map_or(1, |it| it.get() as u64),
        document: None,
        commit: String::new(),
    };
    while let Some(name) = of.next() {
        let value = of.next()?;
        match name.as_str() {
            "--bug" => measuring.only = Some(Implant::named(&value)?),
            "--seeds" => measuring.seeds_max = value.parse().ok()?,
            "--threads" => measuring.threads = value.parse::<u64>().ok()?.max(1),
            "--write" => measuring.document = Some(value),
            "--commit" => measuring.commit = value,
            _ => return None,
        }
    }
    Some(measuring)
}

/// What to measure, and where to write it down.
#[derive(Clone, Debug)]
struct Measuring {
    only: Option<Implant>,
    /// Seeds of one search at most.
    seeds_max: u64,
    threads: u64,
    /// The document whose table is replaced.
    document: Option<String>,
    /// What was measured.
    commit: String,
}

type Searches = Vec<(Implant, Vec<Option<Found>>)>;

impl Measuring {
    /// Measures; says whether all were found and written down.
    fn run(&self) -> Result<(), String> {
        let implants = Implant::ALL.iter().copied();
        let implants: Vec<Implant> = implants
            .filter(|it| self.only.is_none_or(|only| only == *it))
            .collect();
        let searches = self.search(&implants);
        let table = table(&searches, &self.commit);
        say(&table);
        if let Some(path) = &self.document {
            let document = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            let document = with_table(&document, &table)
                .ok_or_else(|| format!("{path} has no table of the bug bank to replace"))?;
            fs::write(path, document).map_err(|error| format!("{path}: {error}"))?;
        }
        let missed = searches.iter().filter(|(_, it)| it.contains(&None));
        let missed: Vec<&str> = missed.map(|(implant, _)| implant.name()).collect();
        match missed.as_slice() {
            [] => Ok(()),
            missed => Err(format!("not always found: {}", missed.join(", "))),
        }
    }

    fn search(&self, implants: &[Implant]) -> Searches {
        let found: Mutex<Searches> = Mutex::new(
            implants
                .iter()
                .map(|implant| (*implant, vec![None; STARTS.len()]))
                .collect(),
        );
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    loop {
                        let job = next.fetch_add(1, Ordering::Relaxed);
                        let (row, run) = (job / STARTS.len(), job % STARTS.len());
                        let (Some(implant), Some(start)) = (implants.get(row), STARTS.get(run))
                        else {
                            return;
                        };
                        let it = first_found(*implant, *start, self.seeds_max);
                        say(&words(*implant, *start, it.as_ref()));
                        let mut all = match found.lock() {
                            Ok(all) => all,
                            Err(poisoned) => poisoned.into_inner(),
                        };
                        let place = all.get_mut(row).and_then(|(_, runs)| runs.get_mut(run));
                        if let Some(place) = place {
                            *place = it;
                        }
                    }
                });
            }
        });
        found.into_inner().unwrap_or_else(|it| it.into_inner())
    }
}

fn words(implant: Implant, start: u64, found: Option<&Found>) -> String {
    match found {
        None => format!("{implant} from {start}: not found"),
        Some(found) => format!(
            "{implant} from {start}: seed {} after {}: {}: {}",
            found.seed, found.seeds, found.invariant, found.what
        ),
    }
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "errors and usage are not results")]
fn complain(line: &str) {
    eprintln!("{line}");
}
