//! A follower that was away for longer than memory reaches back.

use std::time::Duration;

use futures::StreamExt;
use harness::Ensemble;
use zareba_client::CreateMode;

/// More than a leader keeps in memory.
const MISSED: u64 = 24_000;

/// Writes under way at once.
const IN_FLIGHT: usize = 256;

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_missed_more_than_memory_holds_is_fed_from_the_log_on_disk() {
    let mut ensemble = Ensemble::start(3).await;
    let leader = ensemble.leader().await;
    let away = (1..=3).find(|id| *id != leader).unwrap();
    let client = ensemble.client_from(leader, Duration::from_secs(30)).await;
    // The tree is larger than what will be missed, so that a snapshot would cost more.
    let large = vec![0_u8; 512 << 10];
    for number in 0..24 {
        let path = format!("/large-{number}");
        let created = client.create(path, large.clone(), CreateMode::Persistent);
        created.await.unwrap();
    }
    client
        .create("/small", "", CreateMode::Persistent)
        .await
        .unwrap();
    ensemble.agree().await;

    ensemble.stop(away).await;
    let writes = futures::stream::iter(0..MISSED).map(|_| client.set("/small", "x", None));
    let mut answers = writes.buffered(IN_FLIGHT);
    while let Some(answer) = answers.next().await {
        answer.unwrap();
    }
    ensemble.restart(away).await;
    ensemble.serving().await;
    ensemble.agree().await;

    let said = ensemble.log(leader);
    let fed = format!("catching up from the log on disk server={away}");
    assert!(said.contains(&fed), "the leader read its log");
    assert!(
        !ensemble.log(away).contains("a snapshot from the leader"),
        "no snapshot was needed"
    );
    let there = ensemble.client_of(away).await;
    let (_, stat) = there.get("/small").await.unwrap();
    assert_eq!(stat.version, MISSED);
}
