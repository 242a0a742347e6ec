//! A server that was down for more than the others remember is brought level by a snapshot.

use harness::{Ensemble, Writer};
use zareba_client::CreateMode;

/// Together more than the 64 MiB of history that a leader keeps for those who are behind.
const SETS: usize = 90;
const SET_BYTES: usize = 900_000;

/// What the log says when a snapshot has come.
const SNAPSHOT_TAKEN: &str = "a snapshot from the leader is in place";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_missed_too_much_rejoins_by_snapshot() {
    let mut ensemble = Ensemble::start(3).await;
    let leader = ensemble.leader().await;
    let away = leader % 3 + 1;
    let client = ensemble.client_of(leader).await;
    for i in 0..10 {
        client
            .create(format!("/big-{i}"), "", CreateMode::Persistent)
            .await
            .unwrap();
    }
    ensemble.kill(away).await;
    for batch in 0..SETS / 10 {
        let sets = (0..10).map(|i| {
            let data = vec![b'a' + batch as u8; SET_BYTES];
            client.set(format!("/big-{i}"), data, None)
        });
        for set in futures::future::join_all(sets).await {
            set.unwrap();
        }
    }
    // Writes go on while the snapshot is under way.
    let mut writer = Writer::start(ensemble.client_of(leader).await, "/log").await;
    writer.goes_on(5).await;
    assert!(!ensemble.log(away).contains(SNAPSHOT_TAKEN));
    ensemble.restart(away).await;
    ensemble.serving().await;
    writer.goes_on(5).await;
    let written = writer.stop().await;
    ensemble.agree().await;
    assert!(ensemble.log(away).contains(SNAPSHOT_TAKEN));

    let late = ensemble.client_of(away).await;
    let (data, stat) = late.get("/big-3").await.unwrap();
    assert_eq!((data.len(), stat.version), (SET_BYTES, (SETS / 10) as u64));
    written.verify(&late, "/log").await;
    // What came by snapshot is its own now: it is there after a crash.
    ensemble.kill(away).await;
    ensemble.restart(away).await;
    ensemble.serving().await;
    ensemble.agree().await;
}
