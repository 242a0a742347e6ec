//! Every target over its seeds, the committed corpus and mutations of both: what a fuzzer does for
//! hours, for a bounded number of inputs and the same ones at every run. Must never need a fuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

mod mutation;

use std::collections::BTreeSet;
use std::fs;
use std::hint::black_box;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mutation::Mutator;
use zareba_fuzz_targets::memory::{Bound, measure, within};
use zareba_fuzz_targets::{TARGETS, Target, seeds};

/// Memory is counted for the whole process, so that tests that count it run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Most bytes in all files of the corpus: it is cloned by everybody.
const CORPUS_BYTES_MAX: u64 = 1 << 20;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Runs one input; a broken promise says which input breaks it.
fn run(target: Target, input: &[u8]) {
    if catch_unwind(|| (target.run)(input)).is_err() {
        panic!(
            "{} breaks a promise on the input {}",
            target.name,
            hex(input)
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_target_keeps_its_promises() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for target in TARGETS {
        let inputs = seeds::of(target.name).unwrap();
        let mut mutator = Mutator::new(7, &inputs);
        let mut count = 0;
        let mut most = 0;
        let mut run = |input: &[u8]| {
            count += 1;
            let ((), taken) = measure(|| run(*target, input));
            most = most.max(taken);
        };
        run(&[]);
        for input in &inputs {
            run(input);
            for _ in 0..target.mutations {
                run(&mutator.mutate(input));
            }
        }
        println!("{}: {count} inputs, at most {most} bytes held", target.name);
        assert!(count > 1, "{} has no input to begin with", target.name);
    }
}

#[test]
fn memory_over_the_bound_is_noticed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let bound = Bound::per_byte(4);
    let take = |bytes| black_box(vec![1_u8; bytes]).len();
    assert_eq!(within(bound, 1000, || take(4000)), 4000);
    let refused = catch_unwind(|| within(bound, 1000, || take(100_000)));
    assert!(refused.is_err());
}

#[test]
fn every_target_has_its_program_and_every_corpus_its_target() {
    let names: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names.len(), TARGETS.len());
    let stems = |folder: &str| -> BTreeSet<String> {
        let files = fs::read_dir(self::folder().join(folder)).unwrap();
        let stem = |name: String| name.split_once('.').unwrap().0.to_owned();
        files
            .map(|file| stem(file.unwrap().file_name().into_string().unwrap()))
            .collect()
    };
    let programs = stems("fuzz_targets");
    assert!(names.is_subset(&programs));
    assert!(!cfg!(feature = "server") || programs == names);
    assert!(stems("corpus").is_subset(&programs));
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = folder().join(format!("fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        assert!(program.contains(&format!("run(\"{name}\"")), "{name}");
    }
}

#[test]
fn the_corpus_is_small() {
    let files = fs::read_dir(folder().join("corpus")).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes");
}
