//! A member that is lost for good is replaced by a new one.

use harness::{Ensemble, Writer};
use zareba_client::model::{EnsembleChange, ServerId};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_voter_is_replaced_by_a_new_server_in_one_change() {
    let mut ensemble = Ensemble::start(3).await;
    let leader = ensemble.leader().await;
    let dead = (1..=3).find(|id| *id != leader).unwrap();
    let client = ensemble.client_from(leader, std::time::Duration::from_secs(10));
    let mut writer = Writer::start(client.await, "/log").await;
    writer.goes_on(20).await;
    ensemble.kill(dead).await;

    let new = ensemble.join(false).await;
    let replace = EnsembleChange::Replace {
        old: ServerId(dead),
        new: ServerId(new),
    };
    // It is refused until the new one is level.
    harness::until("the new server takes the dead one's place", async || {
        ensemble.change(replace.clone()).await.ok()
    })
    .await;
    ensemble.forget(dead);
    let voters: Vec<u64> = (1..=4).filter(|id| *id != dead).collect();
    ensemble.settled(&voters).await;

    // One more may die now, as of any three.
    let victim = voters
        .iter()
        .copied()
        .find(|id| *id != new && *id != leader);
    ensemble.kill(victim.unwrap()).await;
    writer.goes_on(50).await;
    let written = writer.stop().await;
    written.verify(&ensemble.client().await, "/log").await;
}
