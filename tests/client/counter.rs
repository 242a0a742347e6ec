//! The counter on znodes: every addition once, while the leader is killed.

use std::collections::BTreeSet;

use harness::{Ensemble, within};
use zareba_client::recipes::Counter;
use zareba_client::{CreateMode, Error};

use crate::LONG;

const CLIENTS: u64 = 4;
const ADDITIONS: i64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn every_addition_counts_once_while_the_leader_is_killed() {
    let mut ensemble = Ensemble::start(3).await;
    let (told, mut additions) = tokio::sync::watch::channel(0);
    let mut clients = Vec::new();
    for i in 0..CLIENTS {
        let client = ensemble.client_from(i % 3 + 1, LONG).await;
        let told = told.clone();
        clients.push(tokio::spawn(async move {
            let counter = Counter::new(&client, "/counters/c").unwrap();
            let mut sums = Vec::new();
            for _ in 0..ADDITIONS {
                sums.push(counter.add(1).await.unwrap());
                told.send_modify(|count| *count += 1);
            }
            sums
        }));
    }
    let some = additions.wait_for(|count| *count >= ADDITIONS);
    drop(within("some additions", some).await.unwrap());
    let leader = ensemble.leader().await;
    ensemble.kill(leader).await;
    let mut sums = Vec::new();
    for client in clients {
        sums.extend(within("a client", client).await.unwrap());
    }
    let all = CLIENTS as i64 * ADDITIONS;
    let distinct: BTreeSet<_> = sums.into_iter().collect();
    assert_eq!(distinct, (1..=all).collect());
    let client = ensemble.client().await;
    let counter = Counter::new(&client.linearizable(), "/counters/c").unwrap();
    assert_eq!(counter.get().await, Ok(all));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_begins_at_nothing_and_refuses_what_is_no_number() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let counter = Counter::new(&client, "/c").unwrap();
    assert_eq!(counter.get().await, Ok(0));
    assert_eq!(counter.compare_and_set(1, 5).await, Ok(false));
    assert_eq!(counter.compare_and_set(0, 5).await, Ok(true));
    assert_eq!(counter.add(-7).await, Ok(-2));
    assert_eq!(counter.compare_and_set(-2, i64::MAX).await, Ok(true));
    assert!(matches!(counter.add(1).await, Err(Error::Content { .. })));
    assert_eq!(counter.get().await, Ok(i64::MAX));

    let mode = CreateMode::Persistent;
    client.create("/text", "not a number", mode).await.unwrap();
    let refused = Counter::new(&client, "/text")
        .unwrap()
        .add(1)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("not a number"), "{refused}");
}
