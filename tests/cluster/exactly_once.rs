//! What a client was told happened once, and what it was not told did not happen, while leaders
//! are killed one after the other.

use std::time::Duration;

use harness::{Ensemble, Writer, within};
use tokio::sync::watch;
use zareba_client::{Client, CreateMode, ErrorCode};

/// Leaders killed.
const KILLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn increments_and_sequential_creates_are_executed_once_while_leaders_are_killed() {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    client
        .create("/counter", "0", CreateMode::Persistent)
        .await
        .unwrap();
    let (stop, stopped) = watch::channel(false);
    let mut writers = Vec::new();
    let mut counters = Vec::new();
    for id in 1..=3 {
        let timeout = Duration::from_secs(30);
        let parent = format!("/of-{id}");
        let client = ensemble.client_from(id, timeout).await;
        writers.push(Writer::start(client, &parent).await);
        let client = ensemble.client_from(id, timeout).await;
        counters.push(tokio::spawn(count(client, stopped.clone())));
    }
    for _ in 0..KILLS {
        for writer in &mut writers {
            writer.goes_on(20).await;
        }
        let leader = ensemble.leader().await;
        ensemble.kill(leader).await;
        for writer in &mut writers {
            writer.goes_on(20).await;
        }
        ensemble.restart(leader).await;
        ensemble.serving().await;
    }
    stop.send_replace(true);
    let mut successes = 0;
    for counter in counters {
        successes += within("a counter", counter).await.unwrap();
    }
    client.sync().await.unwrap();
    let (data, stat) = client.get("/counter").await.unwrap();
    println!("exactly once: {successes} increments reported over {KILLS} dead leaders");
    assert_eq!(data, successes.to_string());
    assert_eq!(stat.version, successes);
    for (writer, id) in writers.into_iter().zip(1..) {
        let written = writer.stop().await;
        println!(
            "exactly once: {} creates, {} refused, slowest {:?}",
            written.acknowledged.len(),
            written.refused,
            written.slowest
        );
        written.verify(&client, &format!("/of-{id}")).await;
    }
    ensemble.agree().await;
}

/// Increments the counter by get and conditional set; returns how often it was told that it had.
async fn count(client: Client, stopped: watch::Receiver<bool>) -> u64 {
    let mut successes = 0;
    while !*stopped.borrow() {
        let (data, stat) = client.get("/counter").await.unwrap();
        let value: u64 = std::str::from_utf8(&data).unwrap().parse().unwrap();
        let next = (value + 1).to_string();
        match client.set("/counter", next, Some(stat.version)).await {
            Ok(_) => successes += 1,
            Err(error) if error.is(ErrorCode::BadVersion) => {}
            // A leader that lost its office refuses before anything has happened.
            Err(error) if error.is(ErrorCode::NotServing) => {}
            Err(error) => panic!("a set failed: {error}"),
        }
    }
    client.close().await.unwrap();
    successes
}
