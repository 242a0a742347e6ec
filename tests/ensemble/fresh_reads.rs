//! Linearizable reads and syncs are never stale, not even at a leader that slept through its own end.

use std::time::Duration;

use harness::{Ensemble, within};
use zareba_client::CreateMode;

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_paused_answers_no_linearizable_read_from_its_past() {
    let mut ensemble = Ensemble::start(3).await;
    for round in 0..3 {
        let old = ensemble.leader().await;
        let at_old = ensemble.client_from(old, Duration::from_secs(60)).await;
        let path = format!("/value-{round}");
        at_old
            .create(&*path, "old", CreateMode::Persistent)
            .await
            .unwrap();

        ensemble.pause(old);
        let new = harness::until("another server leads", async || {
            let leader = ensemble.leader().await;
            (leader != old).then_some(leader)
        })
        .await;
        let at_new = ensemble.client_of(new).await;
        at_new.set(&*path, "new", None).await.unwrap();

        // Asked while it sleeps: these are the first things that it finds when it wakes.
        let fresh = at_old.linearizable();
        let reads = (0..20).map(|_| {
            let (fresh, path) = (fresh.clone(), path.clone());
            async move {
                within("a linearizable read", fresh.get(&*path))
                    .await
                    .unwrap()
                    .0
            }
        });
        let reads = tokio::spawn(futures::future::join_all(reads.collect::<Vec<_>>()));
        ensemble.resume(old);
        for data in reads.await.unwrap() {
            assert_eq!(data, "new", "round {round}");
        }
        within("a sync", at_old.sync()).await.unwrap();
        assert_eq!(at_old.get(&*path).await.unwrap().0, "new");
        ensemble.serving().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_of_many_sessions_are_all_answered_while_others_write() {
    let ensemble = Ensemble::start(3).await;
    let writer = ensemble.client().await;
    writer
        .create("/n", "0", CreateMode::Persistent)
        .await
        .unwrap();
    let mut clients = Vec::new();
    for id in [1, 2, 3, 1, 2, 3] {
        clients.push(ensemble.client_of(id).await);
    }
    for value in 1..=50_u32 {
        writer.set("/n", value.to_string(), None).await.unwrap();
        let reads = clients.iter().map(async |client| {
            client.sync().await.unwrap();
            let (data, _) = client.get("/n").await.unwrap();
            let fresh = client.linearizable().get("/n").await.unwrap().0;
            [data, fresh]
        });
        for data in futures::future::join_all(reads).await.into_iter().flatten() {
            assert_eq!(data, value.to_string());
        }
    }
}
