//! The queue on znodes: every element to one taker, once, while takers lose patience and the leader is
//! killed.

use std::time::Duration;

use harness::{Ensemble, within};
use zareba_client::recipes::Queue;

use crate::LONG;

const PUTTERS: u64 = 3;
const TAKERS: u64 = 3;
const ELEMENTS: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn every_element_is_taken_once_while_takers_lose_patience_and_the_leader_is_killed() {
    let mut ensemble = Ensemble::start(3).await;
    let (told, mut taken) = tokio::sync::watch::channel(Vec::new());
    let mut takers = Vec::new();
    for i in 0..TAKERS {
        let client = ensemble.client_from(i % 3 + 1, LONG).await;
        let told = told.clone();
        takers.push(tokio::spawn(async move {
            let queue = Queue::new(&client, "/queues/q").unwrap();
            let mut gave_up = 0;
            loop {
                let patience = Duration::from_micros(rand::random_range(200..8_000));
                match tokio::time::timeout(patience, queue.take()).await {
                    Ok(element) => told.send_modify(|taken| taken.push(element.unwrap())),
                    Err(_) => gave_up += 1,
                }
                if told.borrow().iter().any(|element| element.is_empty()) {
                    return gave_up;
                }
            }
        }));
    }
    let mut putters = Vec::new();
    for i in 0..PUTTERS {
        let client = ensemble.client_from(i % 3 + 1, LONG).await;
        putters.push(tokio::spawn(async move {
            let queue = Queue::new(&client, "/queues/q").unwrap();
            for n in 0..ELEMENTS {
                queue.put(format!("{i}:{n}")).await.unwrap();
            }
        }));
    }
    let some = taken.wait_for(|taken| taken.len() >= 20);
    drop(within("some elements", some).await.unwrap());
    let leader = ensemble.leader().await;
    ensemble.kill(leader).await;
    for putter in putters {
        within("a putter", putter).await.unwrap();
    }
    let all = (PUTTERS * ELEMENTS) as usize;
    let enough = taken.wait_for(|taken| taken.len() >= all);
    drop(within("all elements", enough).await.unwrap());
    let client = ensemble.client().await;
    let queue = Queue::new(&client, "/queues/q").unwrap();
    // An empty element tells the takers to go.
    queue.put("").await.unwrap();
    let mut gave_up = 0;
    for taker in takers {
        gave_up += within("a taker", taker).await.unwrap();
    }
    println!("queue: {all} elements taken, {gave_up} takes given up");
    let mut found: Vec<_> = taken
        .borrow()
        .iter()
        .filter(|it| !it.is_empty())
        .cloned()
        .collect();
    let mut expected: Vec<_> = (0..PUTTERS)
        .flat_map(|i| (0..ELEMENTS).map(move |n| format!("{i}:{n}")))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    client.sync().await.unwrap();
    assert!(queue.is_empty().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_come_in_the_order_in_which_they_were_put_and_a_taker_may_wait() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let queue = Queue::new(&client, "/queue").unwrap();
    assert_eq!(queue.try_take().await.unwrap(), None);
    assert_eq!(queue.len().await.unwrap(), 0);
    let waiting = queue.clone();
    let waiting = tokio::spawn(async move { waiting.take().await });
    queue.put("first").await.unwrap();
    assert_eq!(
        within("the first", waiting).await.unwrap().unwrap(),
        "first"
    );
    for n in 0..40 {
        queue.put(n.to_string()).await.unwrap();
    }
    assert_eq!(queue.len().await.unwrap(), 40);
    for n in 0..40 {
        assert_eq!(queue.take().await.unwrap(), n.to_string());
    }
}
