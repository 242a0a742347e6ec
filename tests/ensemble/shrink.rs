//! Members leave, the leader among them.

use harness::{Ensemble, Writer};
use zareba_client::model::{EnsembleChange, ServerId};

/// What a server that was removed ends with.
const REMOVED: i32 = 11;

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_removed_and_stops_while_the_others_go_on() {
    let mut ensemble = Ensemble::start(3).await;
    let leader = ensemble.leader().await;
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let client = ensemble.client_from(others[0], std::time::Duration::from_secs(10));
    let mut writer = Writer::start(client.await, "/log").await;
    writer.goes_on(20).await;

    let server = ServerId(leader);
    ensemble
        .change(EnsembleChange::Remove { server })
        .await
        .unwrap();
    assert_eq!(ensemble.gone(leader).await, Some(REMOVED));
    writer.goes_on(50).await;
    ensemble.settled(&others).await;
    ensemble.serving().await;
    let written = writer.stop().await;
    written.verify(&ensemble.client().await, "/log").await;
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_down_when_it_was_removed_is_not_let_in_again() {
    let mut ensemble = Ensemble::start(3).await;
    ensemble.kill(3).await;
    let server = ServerId(3);
    ensemble
        .change(EnsembleChange::Remove { server })
        .await
        .unwrap();
    ensemble.settled(&[1, 2]).await;

    ensemble.restart(3).await;
    harness::until("server 3 is refused", async || {
        ensemble.log(3).contains("refuses this one").then_some(())
    })
    .await;
    let status = ensemble.statuses().await;
    assert_eq!(status[&3].role, "looking");
    ensemble.kill(3).await;
}
