//! What clients are told has an order that explains it, whatever happens to servers and connections.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use harness::{Ensemble, within};
use tokio::time::Instant;
use zareba_client::CreateMode;

use crate::budget::Budget;
use crate::checker;
use crate::crew::{Crew, Manner};
use crate::history::{self, End, Entry, Object};
use crate::nemesis::Nemesis;
use crate::order;
use crate::worker::Work;
use crate::znode::Answer;

/// Clients. The second and every other behind it reach the servers by ways that can be cut.
const CLIENTS: usize = 8;

/// Lines shown in front of an answer that nothing explains.
const LINES: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn histories_under_kills_pauses_and_cut_connections_are_linearizable() {
    let test = "histories_under_kills_pauses_and_cut_connections_are_linearizable";
    let budget = Budget::read(test, 5_000, 10);
    let mut ensemble = Ensemble::start(3).await;
    let setup = ensemble.client().await;
    let parent = setup.create("/histories", "", CreateMode::Persistent);
    parent.await.unwrap();

    let began = Instant::now();
    let work = Arc::new(Work::new(budget.seed));
    let manners: Vec<_> = (0..CLIENTS).map(manner).collect();
    let job = {
        let work = Arc::clone(&work);
        move |post| -> futures::future::BoxFuture<'static, ()> {
            Box::pin(Arc::clone(&work).go(post))
        }
    };
    let mut crew = Crew::start(&ensemble, &manners, job).await;
    let mut nemesis = Nemesis::new(budget.seed);
    while nemesis.tally.strikes < budget.strikes || crew.done() < budget.operations {
        nemesis.strike(&mut ensemble, &mut crew).await;
    }
    crew.stop().await;
    let client = ensemble.client().await;
    for object in work.objects() {
        within("a last read", work.read_last(&client, CLIENTS, object)).await;
    }
    ensemble.agree().await;
    let worked = began.elapsed();

    println!("histories: {}", nemesis.tally);
    let entries = work.history.entries();
    let expired = work.expired.load(Ordering::Relaxed);
    println!(
        "histories: {} in {worked:.1?}, {expired} sessions expired",
        Counts::of(&entries)
    );
    judge(&entries, budget.seed);
    Counts::of(&entries).demand();
}

/// Some clients are impatient, and some sessions short: theirs are the unknown outcomes.
fn manner(number: usize) -> Manner {
    let seconds = if number % 4 == 3 { 2 } else { 6 };
    Manner {
        session_timeout: Duration::from_secs(seconds),
        request_timeout: (number >= 6).then_some(Duration::from_millis(500)),
    }
}

/// Demands an order, and says where there is none.
fn judge(entries: &[Entry], seed: u64) {
    order::check(entries).unwrap();
    let objects = history::by_object(entries);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut illegal = Vec::new();
    for (object, entries) in &objects {
        let began = Instant::now();
        if let Some(moment) = checker::first_illegal(entries) {
            illegal.push(story(*object, entries, moment, seed));
        }
        slowest = slowest.max(began.elapsed());
    }
    let longest = objects.values().map(Vec::len).max().unwrap_or_default();
    println!(
        "histories: {} znodes checked in {:.1?}, the slowest in {slowest:.1?}, the longest of {longest} \
         operations; {} illegal",
        objects.len(),
        began.elapsed(),
        illegal.len()
    );
    assert!(illegal.is_empty(), "{}", illegal.join("\n"));
}

/// What leads to the answer that nothing explains; all of it is kept in a file.
fn story(object: Object, entries: &[Entry], moment: u64, seed: u64) -> String {
    let all: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    let name = format!("history-{seed}-{}-{}.txt", object.round, object.key);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, all).unwrap();
    let before: Vec<_> = entries.iter().filter(|it| it.asked < moment).collect();
    let mut text = format!(
        "{object}: nothing explains the answer at {moment}; all of it in {}\n",
        path.display()
    );
    for entry in before.iter().skip(before.len().saturating_sub(LINES)) {
        writeln!(text, "{entry}").unwrap();
    }
    text
}

/// How often there was which end.
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn of(entries: &[Entry]) -> Self {
        let mut counts = BTreeMap::new();
        for entry in entries {
            *counts.entry(name(entry)).or_default() += 1;
        }
        Self(counts)
    }

    /// A run in which nothing collides shows nothing.
    fn demand(&self) {
        for answer in [
            "Version",
            "Data",
            "Absent",
            "Done",
            "NoNode",
            "NodeExists",
            "BadVersion",
        ] {
            assert!(self.0.contains_key(answer), "nobody was told {answer}");
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: u64 = self.0.values().sum();
        write!(f, "{all} operations {:?}", self.0)
    }
}

fn name(entry: &Entry) -> String {
    match entry.end {
        End::Unknown if entry.call.writes() => "unknown write".to_owned(),
        End::Unknown => "unknown read".to_owned(),
        End::Refused => "refused".to_owned(),
        End::Answered { answer, .. } => match answer {
            Answer::Version(_) => "Version".to_owned(),
            Answer::Data { .. } => "Data".to_owned(),
            other => format!("{other:?}"),
        },
    }
}
