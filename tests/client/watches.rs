//! Watches that stay, while servers are killed and connections cut: each event once, in order.

use std::time::Duration;

use harness::{Ensemble, PATIENCE, Traffic, within};
use tokio::time::Instant;
use zareba_client::{Client, CreateMode, Error, EventKind, Status};

use super::LONG;

const WRITES: usize = 300;

/// A silent server is asked whether it lives after a third of it, and left a tenth of it later.
const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_every_event_once_and_in_order_whatever_happens_to_the_servers() {
    let mut ensemble = Ensemble::start(3).await;
    let ways = ensemble.ways().await;
    let builder = Client::builder().profile(ensemble.profile_by(&ways, 1));
    let watcher = builder.session_timeout(TIMEOUT).follow_members(false);
    let watcher = watcher.connect().await.unwrap();
    let mut status = watcher.status();
    let writer = ensemble.client_from(2, LONG).await.resending(PATIENCE);
    writer
        .create("/w", "", CreateMode::Persistent)
        .await
        .unwrap();
    watcher.sync().await.unwrap();
    let mut events = watcher.watch_recursive("/w").await.unwrap();
    let written = tokio::spawn(async move {
        let mut nodes = Vec::new();
        for _ in 0..WRITES {
            let mode = CreateMode::PersistentSequential;
            nodes.push(writer.create("/w/n-", "", mode).await.unwrap());
        }
        nodes
    });
    let mut told = Vec::new();
    while told.len() < WRITES {
        let event = within("an event", events.next()).await.unwrap().unwrap();
        assert_eq!(event.kind, EventKind::Created);
        told.push(event.path);
        match told.len() {
            50 | 150 => {
                ways.set(Traffic::IsCut);
                let lost = status.wait_for(|status| *status == Status::Lost);
                drop(within("the cut to be noticed", lost).await.unwrap());
                ways.set(Traffic::Flows);
            }
            100 => ensemble.kill(1).await,
            200 => ensemble.restart(1).await,
            _ => {}
        }
    }
    assert_eq!(told, written.await.unwrap());
    watcher.close().await.unwrap();
    let last = within("the stream's end", events.next()).await;
    assert_eq!(last, Some(Err(Error::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_begins_where_an_earlier_run_ended() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    client
        .create("/w", "", CreateMode::Persistent)
        .await
        .unwrap();
    let since = client.last_zxid();
    client.close().await.unwrap();
    let client = ensemble.client().await;
    client
        .create("/w/a", "", CreateMode::Persistent)
        .await
        .unwrap();
    client.delete("/w/a", None).await.unwrap();
    let mut events = client.watch_recursive("/w").since(since).await.unwrap();
    client.set("/w", "1", None).await.unwrap();
    for (node, kind) in [
        ("/w/a", EventKind::Created),
        ("/w/a", EventKind::Deleted),
        ("/w", EventKind::Changed),
    ] {
        let event = within("an event", events.next()).await.unwrap().unwrap();
        assert_eq!((event.path.as_str(), event.kind), (node, kind));
    }
    // A stream that is dropped is told nothing, and the others are.
    let other = client.watch_recursive("/w").await.unwrap();
    drop(other);
    client.set("/w", "2", None).await.unwrap();
    let event = within("an event", events.next()).await.unwrap().unwrap();
    assert_eq!(event.kind, EventKind::Changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_still_come_do_not_hide_that_nothing_arrives() {
    let timeout = Duration::from_secs(3);
    let ensemble = Ensemble::start(3).await;
    let ways = ensemble.ways().await;
    let builder = Client::builder().profile(ensemble.profile_by(&ways, 1));
    let builder = builder.session_timeout(timeout).follow_members(false);
    let watcher = builder.connect().await.unwrap();
    let writer = ensemble.client().await;
    writer
        .create("/w", "", CreateMode::Persistent)
        .await
        .unwrap();
    let events = watcher.watch("/w").await.unwrap();
    let writing = tokio::spawn(async move {
        loop {
            writer.set("/w", "", None).await.unwrap();
        }
    });
    let mut status = watcher.status();
    ways.set(Traffic::IsCutUpward);
    let cut = Instant::now();
    let expired = status.wait_for(|status| *status == Status::Expired);
    drop(within("the session's end", expired).await.unwrap());
    assert!(
        cut.elapsed() < Duration::from_secs(15),
        "{:?}",
        cut.elapsed()
    );
    writing.abort();
    drop(events);
}
