//! What is written on any server is seen on all, and their trees are the same.

use harness::Ensemble;
use zareba_client::CreateMode;

#[tokio::test(flavor = "multi_thread")]
async fn writes_on_every_server_are_seen_on_all_after_sync() {
    let ensemble = Ensemble::start(3).await;
    let mut clients = Vec::new();
    for id in 1..=3 {
        clients.push(ensemble.client_of(id).await);
    }
    for (client, id) in clients.iter().zip(1..) {
        let nodes = (0..50).map(|i| {
            let path = format!("/of-{id}-{i}");
            client.create(path, format!("{id}:{i}"), CreateMode::Persistent)
        });
        for created in futures::future::join_all(nodes).await {
            created.unwrap();
        }
    }
    for reader in &clients {
        reader.sync().await.unwrap();
        for id in 1..=3 {
            for i in 0..50 {
                let (data, stat) = reader.get(format!("/of-{id}-{i}")).await.unwrap();
                assert_eq!(data, format!("{id}:{i}"));
                assert_eq!(stat.version, 0);
            }
        }
        let mut names = reader.children("/").await.unwrap();
        names.retain(|name| name.starts_with("of-"));
        assert_eq!(names.len(), 150);
    }
    for client in clients {
        client.close().await.unwrap();
    }
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_behind_a_sync_sees_every_write_acknowledged_before_it() {
    let ensemble = Ensemble::start(3).await;
    let writer = ensemble.client_of(1).await;
    writer
        .create("/n", "", CreateMode::Persistent)
        .await
        .unwrap();
    let reader = ensemble.client_of(2).await;
    // No wait between the two: only the sync makes the other server catch up.
    for round in 1..=100 {
        writer.set("/n", round.to_string(), None).await.unwrap();
        reader.sync().await.unwrap();
        let (data, stat) = reader.get("/n").await.unwrap();
        assert_eq!(data, round.to_string());
        assert_eq!(stat.version, round);
    }
    ensemble.agree().await;
}
