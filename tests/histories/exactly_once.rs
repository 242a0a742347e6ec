//! What a client was told happened once, and what it was not told did not happen, while leaders are
//! killed, servers stand still and connections are cut.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use harness::Ensemble;
use zareba_client::{Client, CreateMode, Error, ErrorCode};

use crate::budget::Budget;
use crate::crew::{Crew, Manner, Post};
use crate::nemesis::Nemesis;

/// Clients. The second and every other behind it reach the servers by ways that can be cut.
const CLIENTS: usize = 6;

/// So long that no strike outlasts it.
const SESSION: Duration = Duration::from_secs(20);

/// What one client was told.
#[derive(Debug, Default)]
struct Told {
    increments: u64,
    /// Paths of the sequential nodes that it was told of.
    created: BTreeSet<String>,
    refused: u64,
    /// Requests whose outcome was not told, because the session had ended.
    unknown_increments: u64,
    unknown_creates: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn increments_and_sequential_creates_are_executed_once_under_kills_pauses_and_cuts() {
    let test = "increments_and_sequential_creates_are_executed_once_under_kills_pauses_and_cuts";
    let budget = Budget::read(test, 2_000, 8);
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let make = async |path: String, data: &'static str| {
        let created = client.create(path, data, CreateMode::Persistent);
        created.await.unwrap();
    };
    make("/counter".to_owned(), "0").await;
    for number in 0..CLIENTS {
        make(format!("/of-{number}"), "").await;
    }
    let told: Arc<Vec<Mutex<Told>>> = Arc::new((0..CLIENTS).map(|_| Mutex::default()).collect());
    let manner = Manner {
        session_timeout: SESSION,
        request_timeout: None,
    };
    let job = {
        let told = Arc::clone(&told);
        move |post| -> BoxFuture<'static, ()> { Box::pin(count(Arc::clone(&told), post)) }
    };
    let mut crew = Crew::start(&ensemble, &[manner; CLIENTS], job).await;
    let mut nemesis = Nemesis::gentle(budget.seed);
    while nemesis.tally.strikes < budget.strikes || crew.done() < budget.operations {
        nemesis.strike(&mut ensemble, &mut crew).await;
    }
    crew.stop().await;
    println!("exactly once: {}", nemesis.tally);
    client.sync().await.unwrap();
    verify_counter(&client, &told).await;
    for (number, told) in told.iter().enumerate() {
        let told = std::mem::take(&mut *told.lock().unwrap());
        verify_created(&client, number, &told).await;
    }
    ensemble.agree().await;
}

/// By turns increments the counter all share, and creates a node of its own.
async fn count(told: Arc<Vec<Mutex<Told>>>, post: Post) {
    let told = &told[post.number];
    while !post.is_stopped() {
        let client = post.connect().await;
        while !post.is_stopped() {
            if !increment(&client, told).await || !create(&client, post.number, told).await {
                break;
            }
            post.has_done(&client);
        }
        let closed = client.close().await;
        assert!(
            matches!(closed, Ok(()) | Err(Error::SessionExpired)),
            "{closed:?}"
        );
    }
}

/// Increments by get and conditional set until it is told that it has; false if the session is over.
async fn increment(client: &Client, told: &Mutex<Told>) -> bool {
    loop {
        let (data, stat) = match client.get("/counter").await {
            Ok(found) => found,
            Err(Error::SessionExpired) => return false,
            Err(error) if error.is(ErrorCode::NotServing) => continue,
            Err(error) => panic!("a get failed: {error}"),
        };
        let value: u64 = std::str::from_utf8(&data).unwrap().parse().unwrap();
        let set = client.set("/counter", (value + 1).to_string(), Some(stat.version));
        let set = set.await;
        let mut told = told.lock().unwrap();
        match set {
            Ok(stat) => {
                // Every success before it has made it one more, and nothing else has.
                assert_eq!(stat.version, value + 1);
                told.increments += 1;
                return true;
            }
            Err(error) if error.is(ErrorCode::BadVersion) => {}
            // A leader that lost its office refuses before anything has happened.
            Err(error) if error.is(ErrorCode::NotServing) => told.refused += 1,
            Err(Error::SessionExpired) => {
                told.unknown_increments += 1;
                return false;
            }
            Err(error) => panic!("a set failed: {error}"),
        }
    }
}

/// Creates one node until it is told that it has; false if the session is over.
async fn create(client: &Client, number: usize, told: &Mutex<Told>) -> bool {
    loop {
        let path = format!("/of-{number}/n-");
        let created = client.create(path, "", CreateMode::PersistentSequential);
        let created = created.await;
        let mut told = told.lock().unwrap();
        match created {
            Ok(path) => {
                let path = path.to_string();
                assert!(told.created.insert(path.clone()), "{path} was told twice");
                return true;
            }
            Err(error) if error.is(ErrorCode::NotServing) => told.refused += 1,
            Err(Error::SessionExpired) => {
                told.unknown_creates += 1;
                return false;
            }
            Err(error) => panic!("a create failed: {error}"),
        }
    }
}

async fn verify_counter(client: &Client, told: &[Mutex<Told>]) {
    let sum = |of: fn(&Told) -> u64| -> u64 { told.iter().map(|it| of(&it.lock().unwrap())).sum() };
    let (data, stat) = client.get("/counter").await.unwrap();
    let successes = sum(|it| it.increments);
    let unknown = sum(|it| it.unknown_increments);
    println!(
        "exactly once: {successes} increments and {} creates reported, {} refused, {} outcomes unknown",
        sum(|it| it.created.len() as u64),
        sum(|it| it.refused),
        unknown + sum(|it| it.unknown_creates),
    );
    assert_eq!(data, stat.version.to_string());
    let possible = successes..=successes + unknown;
    assert!(
        possible.contains(&stat.version),
        "{} of {possible:?}",
        stat.version
    );
}

async fn verify_created(client: &Client, number: usize, told: &Told) {
    let parent = format!("/of-{number}");
    let names = client.children(&*parent).await.unwrap();
    let found: BTreeSet<_> = names.iter().map(|it| format!("{parent}/{it}")).collect();
    let lost: Vec<_> = told.created.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&told.created).collect();
    assert!(lost.is_empty(), "told and lost: {lost:?}");
    assert!(
        surplus.len() as u64 <= told.unknown_creates,
        "there and never told: {surplus:?}"
    );
}
