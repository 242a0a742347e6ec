//! The double barrier on znodes: all begin together and end together, nobody goes through alone, and
//! those who die or give up are not waited for.

use std::time::Duration;

use harness::{Ensemble, until, within};
use tokio::time::Instant;
use zareba_client::Error;
use zareba_client::recipes::DoubleBarrier;

use crate::LONG;

const MEMBERS: usize = 5;
const ROUNDS: usize = 6;

/// When one member came to the barrier, was through, went to leave, and was out.
#[derive(Clone, Copy, Debug)]
struct Round {
    came: Instant,
    through: Instant,
    went: Instant,
    out: Instant,
}

#[tokio::test(flavor = "multi_thread")]
async fn all_begin_and_end_each_round_together_while_the_leader_is_killed() {
    let mut ensemble = Ensemble::start(3).await;
    let (told, mut passes) = tokio::sync::watch::channel(0);
    let mut members = Vec::new();
    for i in 0..MEMBERS {
        let client = ensemble.client_from(i as u64 % 3 + 1, LONG).await;
        let told = told.clone();
        members.push(tokio::spawn(async move {
            let barrier = DoubleBarrier::new(&client, "/barriers/b", MEMBERS).unwrap();
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let came = Instant::now();
                let pass = barrier.enter().await.unwrap();
                let through = Instant::now();
                told.send_modify(|count| *count += 1);
                client.sync().await.unwrap();
                let went = Instant::now();
                pass.leave().await.unwrap();
                let out = Instant::now();
                rounds.push(Round {
                    came,
                    through,
                    went,
                    out,
                });
            }
            client.close().await.unwrap();
            rounds
        }));
    }
    let some = passes.wait_for(|count| *count >= 2 * MEMBERS);
    within("two rounds", some).await.unwrap();
    let leader = ensemble.leader().await;
    ensemble.kill(leader).await;
    let mut all = Vec::new();
    for member in members {
        all.push(within("a member", member).await.unwrap());
    }
    for round in 0..ROUNDS {
        let of = |at: fn(&Round) -> Instant| all.iter().map(move |rounds| at(&rounds[round]));
        assert!(of(|it| it.came).max() <= of(|it| it.through).min());
        assert!(of(|it| it.went).max() <= of(|it| it.out).min());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_without_patience_pass_together_or_not_at_all() {
    let ensemble = Ensemble::start(3).await;
    let mut members = Vec::new();
    for id in 1..=2 {
        let client = ensemble.client_from(id, LONG).await;
        members.push(tokio::spawn(async move {
            let barrier = DoubleBarrier::new(&client, "/barrier", 2).unwrap();
            let (mut passed, mut gave_up) = (0, 0);
            // Whoever passed alone would be done before the other, who could pass no more.
            while passed < 20 {
                let patience = Duration::from_micros(rand::random_range(500..20_000));
                match barrier.enter_within(patience).await.unwrap() {
                    Some(pass) => {
                        passed += 1;
                        pass.leave().await.unwrap();
                    }
                    None => gave_up += 1,
                }
            }
            gave_up
        }));
    }
    for member in members {
        let gave_up = within("a member", member).await.unwrap();
        println!("barrier: passed 20 times, gave up {gave_up} times");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_gone_is_neither_counted_nor_waited_for() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let barrier = DoubleBarrier::new(&client, "/barrier", 2).unwrap();
    let is_empty = async || {
        let names = client.children("/barrier/round-0").await;
        names.is_ok_and(|names| names.is_empty()).then_some(())
    };
    // Given up, with a time limit and by a drop.
    let short = Duration::from_millis(30);
    assert!(barrier.enter_within(short).await.unwrap().is_none());
    let dropped = tokio::time::timeout(short, barrier.enter()).await;
    assert!(dropped.is_err());
    until("nobody is left", is_empty).await;

    let alone = tokio::time::timeout(short, barrier.enter()).await;
    assert!(alone.is_err(), "nobody passes alone");
    until("nobody is left", is_empty).await;

    // One member's session ends inside: the other is not held up, and the next round begins.
    let other = ensemble.client().await;
    let theirs = DoubleBarrier::new(&other, "/barrier", 2).unwrap();
    let (pass, their_pass) = tokio::join!(barrier.enter(), theirs.enter());
    let their_pass = their_pass.unwrap();
    let leaving = tokio::spawn(pass.unwrap().leave());
    other.close().await.unwrap();
    within("the other to leave", leaving)
        .await
        .unwrap()
        .unwrap();
    within("to be told", their_pass.lost()).await;
    assert_eq!(their_pass.leave().await, Err(Error::Closed));
    let other = ensemble.client().await;
    let theirs = DoubleBarrier::new(&other, "/barrier", 2).unwrap();
    let (pass, their_pass) = tokio::join!(barrier.enter(), theirs.enter());
    let (left, they_left) = tokio::join!(pass.unwrap().leave(), their_pass.unwrap().leave());
    assert_eq!((left, they_left), (Ok(()), Ok(())));
    assert_eq!(client.children("/barrier").await.unwrap(), ["round-4"]);
}
