//! A server that has lost its whole disk must not help to elect a leader that lacks what it once
//! acknowledged; nobody has changed its configuration, which is the one that the ensemble began with.

use std::fs;

use harness::{Ensemble, Writer, until};

/// So often a server must say that it has no leader before we believe that it gets none.
const ANSWERS: u32 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_server_and_one_that_is_behind_are_no_quorum() {
    let mut ensemble = Ensemble::start(3).await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;
    let ahead = ensemble.leader().await;
    let (wiped, behind) = (ahead % 3 + 1, (ahead + 1) % 3 + 1);
    ensemble.kill(behind).await;
    // These are acknowledged by the leader and the server that is going to lose them.
    writer.goes_on(100).await;
    let written = writer.stop().await;
    for id in [ahead, wiped] {
        ensemble.stop(id).await;
    }
    fs::remove_dir_all(ensemble.data(wiped)).unwrap();
    ensemble.restart(wiped).await;
    ensemble.restart(behind).await;
    let words = "it does not vote until a leader has refilled it";
    let said = ensemble.log(wiped).matches(words).count();
    assert_eq!(said, 2, "at its first start and at this one");
    two_wait_for_a_leader(&ensemble).await;
    ensemble.restart(ahead).await;
    ensemble.serving().await;
    ensemble.agree().await;
    let client = ensemble.client_of(wiped).await;
    written.verify(&client, "/log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ensemble_begins_when_its_last_voter_is_up() {
    let mut ensemble = Ensemble::prepare(3).await;
    ensemble.restart(1).await;
    ensemble.restart(2).await;
    two_wait_for_a_leader(&ensemble).await;
    // A restart of one that waits changes nothing.
    ensemble.kill(1).await;
    ensemble.restart(1).await;
    ensemble.restart(3).await;
    ensemble.serving().await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;
    // From now on a quorum is enough.
    ensemble.kill(3).await;
    writer.goes_on(20).await;
    for id in [1, 2] {
        ensemble.kill(id).await;
    }
    ensemble.restart(1).await;
    ensemble.restart(3).await;
    ensemble.serving().await;
    writer.goes_on(20).await;
    let written = writer.stop().await;
    ensemble.restart(2).await;
    ensemble.agree().await;
    written.verify(&ensemble.client().await, "/log").await;
}

/// Two servers are up and find no leader, however often they are asked.
async fn two_wait_for_a_leader(ensemble: &Ensemble) {
    let mut answers = 0;
    until("both have said often that there is no leader", async || {
        let statuses = ensemble.statuses().await;
        for (id, status) in &statuses {
            assert_eq!(status.leader, None, "server {id} has a leader");
        }
        answers += u32::from(statuses.len() == 2);
        (answers >= ANSWERS).then_some(())
    })
    .await;
}
