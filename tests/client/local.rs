//! Sessions of one server: what they can do alone, and how they become the ensemble's.

use std::time::Duration;

use harness::{Ensemble, within};
use zareba_client::{Client, CreateMode, Error, EventKind, Lifetime, SessionKind, Status};

#[tokio::test(flavor = "multi_thread")]
async fn a_local_session_costs_no_transaction_until_it_writes() {
    let ensemble = Ensemble::start(3).await;
    let writer = ensemble.client().await;
    writer
        .create("/a", "1", CreateMode::Persistent)
        .await
        .unwrap();
    writer.sync().await.unwrap();
    let before = ensemble.agree().await;
    let builder = Client::builder().profile(ensemble.profile()).local();
    let client = builder.connect().await.unwrap();
    assert_eq!(client.session_kind(), SessionKind::Local);
    assert_eq!(client.linearizable().get("/a").await.unwrap().0, "1");
    let mut events = client.watch("/a").await.unwrap();
    assert_eq!(ensemble.agree().await, before);

    // All of this is asked at once.
    let (_, created, read) = tokio::join!(
        client.get("/a"),
        client.create_with("/e", "", CreateMode::Ephemeral, zareba_client::Acl::open()),
        client.exists("/e"),
    );
    let (_, stat) = created.unwrap();
    assert_eq!(client.session_kind(), SessionKind::Full);
    assert_eq!(stat.lifetime, Lifetime::Ephemeral(client.session_id()));
    assert!(read.unwrap().is_some());
    // Its watches are still in force.
    writer.set("/a", "2", None).await.unwrap();
    let event = within("the event", events.next()).await.unwrap().unwrap();
    assert_eq!(event.kind, EventKind::Changed);
    client.close().await.unwrap();
    writer.sync().await.unwrap();
    assert_eq!(writer.exists("/e").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_session_goes_on_at_another_server_and_misses_nothing() {
    let mut ensemble = Ensemble::start(3).await;
    let writer = ensemble.client_from(3, super::LONG).await;
    let builder = Client::builder().profile(ensemble.profile_from(1)).local();
    let client = builder.connect().await.unwrap();
    let mut events = client.watch_recursive("/").await.unwrap();
    let mut held_by = client.status();
    let server = match *held_by.borrow_and_update() {
        Status::Attached(server) => server.0,
        other => panic!("it must be attached, not {other:?}"),
    };
    ensemble.kill(server).await;
    for i in 0..20 {
        let node = format!("/n{i}");
        let writer = writer.resending(harness::PATIENCE);
        writer
            .create(&node, "", CreateMode::Persistent)
            .await
            .unwrap();
        writer.delete(&node, None).await.unwrap();
    }
    for i in 0..20 {
        for kind in [EventKind::Created, EventKind::Deleted] {
            let event = within("an event", events.next()).await.unwrap().unwrap();
            assert_eq!(
                (event.path.as_str(), event.kind),
                (&*format!("/n{i}"), kind)
            );
        }
    }
    assert_eq!(client.session_kind(), SessionKind::Local);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_client_reads_from_a_server_without_a_leader_and_writes_once_there_is_one() {
    let mut ensemble = Ensemble::start(3).await;
    let writer = ensemble.client().await;
    writer
        .create("/a", "1", CreateMode::Persistent)
        .await
        .unwrap();
    ensemble.agree().await;
    writer.close().await.unwrap();
    ensemble.kill(2).await;
    ensemble.kill(3).await;
    ensemble.is_leaderless(1).await;
    let builder = || Client::builder().profile(ensemble.profile_of(1));
    let impatient = builder().connect_timeout(Duration::from_secs(2));
    let refused = impatient.local().connect().await;
    assert!(
        matches!(refused, Err(Error::Unreachable { .. })),
        "{refused:?}"
    );
    let client = builder().read_only().connect().await.unwrap();
    assert_eq!(within("the read", client.get("/a")).await.unwrap().0, "1");
    assert_eq!(client.session_kind(), SessionKind::Local);
    let theirs = client.clone();
    let write = tokio::spawn(async move { theirs.set("/a", "2", None).await });
    ensemble.restart(2).await;
    ensemble.restart(3).await;
    within("the write", write).await.unwrap().unwrap();
    assert_eq!(client.session_kind(), SessionKind::Full);
    assert_eq!(client.get("/a").await.unwrap().0, "2");
}
