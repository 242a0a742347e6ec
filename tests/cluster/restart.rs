//! A start on data that is there already finds all of it, whatever ended the servers before.

use harness::{Ensemble, Writer};
use zareba_client::CreateMode;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_all_servers_are_killed_at_once() {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let nodes = (0..500).map(|i| {
        let path = format!("/early-{i:03}");
        client.create(path, format!("data of {i}"), CreateMode::Persistent)
    });
    for created in futures::future::join_all(nodes).await {
        created.unwrap();
    }
    client.set("/early-007", "changed", Some(0)).await.unwrap();
    client.delete("/early-008", None).await.unwrap();

    let mut least = 0;
    for round in 1..=2 {
        let mut writer = Writer::start(ensemble.client().await, "/late").await;
        writer.goes_on(100).await;
        for id in 1..=3 {
            ensemble.kill(id).await;
        }
        least += writer.abandon();
        for id in 1..=3 {
            ensemble.restart(id).await;
        }
        ensemble.serving().await;

        // The old client's session and requests go on; a new one finds the same.
        for client in [&client, &ensemble.client().await] {
            client.sync().await.unwrap();
            for i in [0, 6, 9, 499] {
                let (data, _) = client.get(format!("/early-{i:03}")).await.unwrap();
                assert_eq!(data, format!("data of {i}"));
            }
            let (data, stat) = client.get("/early-007").await.unwrap();
            assert_eq!((&data[..], stat.version), (&b"changed"[..], 1));
            assert!(client.exists("/early-008").await.unwrap().is_none());
            let found = client.children("/late").await.unwrap().len() as u64;
            // The create that was under way may be there: it was never answered.
            assert!((least..=least + round).contains(&found), "{least} {found}");
        }
        least = client.children("/late").await.unwrap().len() as u64;
    }
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_stopped_in_order_find_all_at_a_second_start() {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    client
        .create("/kept", "here", CreateMode::Persistent)
        .await
        .unwrap();
    let mut writer = Writer::start(client, "/log").await;
    writer.goes_on(50).await;
    let written = writer.stop().await;
    let before = ensemble.agree().await;
    for id in 1..=3 {
        ensemble.stop(id).await;
    }
    for id in 1..=3 {
        ensemble.restart(id).await;
    }
    ensemble.serving().await;
    let client = ensemble.client().await;
    assert_eq!(client.get("/kept").await.unwrap().0, "here");
    written.verify(&client, "/log").await;
    assert!(ensemble.agree().await >= before);
}
