//! The lock on znodes: one holder at a time while the leader is killed, nothing left behind by futures
//! that were dropped, readers together and writers alone.

use std::pin::pin;

use futures::FutureExt;
use harness::{Ensemble, until, within};
use tokio::time::Instant;
use zareba_client::recipes::{Lock, LockGuard, ReadWriteLock};
use zareba_client::{Client, Error};

use crate::LONG;

/// Clients that want the lock.
const CLIENTS: u64 = 6;

/// How often each holds it.
const TURNS: usize = 15;

/// One client's time with the lock.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    token: u64,
    from: Instant,
    to: Instant,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_znodes_has_one_holder_at_a_time_while_the_leader_is_killed() {
    let mut ensemble = Ensemble::start(3).await;
    let (told, mut holdings) = tokio::sync::watch::channel(0);
    let mut contenders = Vec::new();
    for i in 0..CLIENTS {
        let client = ensemble.client_from(i % 3 + 1, LONG).await;
        let told = told.clone();
        contenders.push(tokio::spawn(async move {
            let lock = Lock::new(&client, "/locks/db").unwrap();
            let mut tenures = Vec::new();
            for _ in 0..TURNS {
                let guard = lock.acquire().await.unwrap();
                let (token, from) = (guard.token(), Instant::now());
                client.sync().await.unwrap();
                let to = Instant::now();
                tenures.push(Tenure { token, from, to });
                told.send_modify(|count| *count += 1);
                guard.release().await.unwrap();
            }
            client.close().await.unwrap();
            tenures
        }));
    }
    let some = holdings.wait_for(|count| *count >= TURNS);
    within("some holdings", some).await.unwrap();
    let leader = ensemble.leader().await;
    ensemble.kill(leader).await;
    let mut tenures = Vec::new();
    for contender in contenders {
        tenures.extend(within("a contender", contender).await.unwrap());
    }
    assert_eq!(tenures.len(), CLIENTS as usize * TURNS);
    tenures.sort_by_key(|tenure| tenure.from);
    for pair in tenures.windows(2) {
        let [earlier, later] = [pair[0], pair[1]];
        assert!(earlier.token < later.token, "{earlier:?} {later:?}");
        assert!(earlier.to <= later.from, "{earlier:?} {later:?}");
    }
    let client = ensemble.client().await;
    client.sync().await.unwrap();
    assert!(client.children("/locks/db").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_that_waits_for_a_lock_leaves_no_node_behind_when_it_is_dropped() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let lock = Lock::new(&client, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();

    // Dropped while its node stands in line.
    {
        let mut waiting = pin!(lock.acquire());
        until("another one is in line", async || {
            assert!(waiting.as_mut().now_or_never().is_none());
            (in_line(&client).await == 2).then_some(())
        })
        .await;
    }
    until("it has left", async || {
        (in_line(&client).await == 1).then_some(())
    })
    .await;

    // Dropped while its node is being created: both the creation and the end are changes of the list.
    let before = client.exists("/lock").await.unwrap().unwrap().cversion;
    assert!(Box::pin(lock.acquire()).now_or_never().is_none());
    until("it came and went", async || {
        let stat = client.exists("/lock").await.unwrap().unwrap();
        (stat.cversion >= before + 2 && stat.num_children == 1).then_some(())
    })
    .await;

    assert!(lock.try_acquire().await.unwrap().is_none());
    let patience = std::time::Duration::from_millis(50);
    assert!(lock.acquire_within(patience).await.unwrap().is_none());
    until("nobody else is left", async || {
        (in_line(&client).await == 1).then_some(())
    })
    .await;
    drop(guard);
    let guard = within("the lock of a dropped guard", lock.acquire())
        .await
        .unwrap();
    guard.release().await.unwrap();
    assert_eq!(in_line(&client).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_node_is_deleted_is_told_and_has_nothing_to_release() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let lock = Lock::new(&client, "/lock").unwrap();
    let first = lock.acquire().await.unwrap();
    let second = tokio::spawn(async move { lock.acquire().await });
    until("the second is in line", async || {
        (in_line(&client).await == 2).then_some(())
    })
    .await;

    let operator = ensemble.client().await;
    let mut line = operator.children("/lock").await.unwrap();
    line.sort();
    operator
        .delete(format!("/lock/{}", line[0]), None)
        .await
        .unwrap();
    within("the holder to be told", first.lost()).await;
    let second: LockGuard = within("the second", second).await.unwrap().unwrap();
    assert!(second.token() > first.token());
    assert!(matches!(first.release().await, Err(Error::NodeGone { .. })));

    operator
        .delete(format!("/lock/{}", line[1]), None)
        .await
        .unwrap();
    within("the second to be told", second.lost()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_share_a_lock_and_a_writer_has_it_alone_in_the_order_of_asking() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let lock = ReadWriteLock::new(&client, "/lock").unwrap();
    let reader = lock.acquire_read().await.unwrap();
    let another = lock.acquire_read().await.unwrap();
    let mut writer = pin!(lock.acquire_write());
    until("the writer is in line", async || {
        assert!(writer.as_mut().now_or_never().is_none());
        (in_line(&client).await == 3).then_some(())
    })
    .await;
    // A reader behind the writer does not overtake it.
    assert!(lock.read().try_acquire().await.unwrap().is_none());
    reader.release().await.unwrap();
    assert!(lock.write().try_acquire().await.unwrap().is_none());
    another.release().await.unwrap();
    let writer = within("the writer", writer).await.unwrap();
    assert!(lock.read().try_acquire().await.unwrap().is_none());
    let reader = lock.read();
    let reader = tokio::spawn(async move { reader.acquire().await });
    until("a reader is in line", async || {
        (in_line(&client).await == 2).then_some(())
    })
    .await;
    let token = writer.token();
    writer.release().await.unwrap();
    let reader = within("the reader behind it", reader)
        .await
        .unwrap()
        .unwrap();
    assert!(reader.token() > token);
}

async fn in_line(client: &Client) -> usize {
    client.children("/lock").await.unwrap().len()
}
