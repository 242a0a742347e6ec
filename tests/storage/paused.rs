//! A server that stands still for longer than the others wait: they go on, and it says what it finds
//! when it goes on too.

use harness::{Ensemble, Writer, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stood_still_says_so_and_joins_again() {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;
    let paused = ensemble.leader().await;
    let before = ensemble.log(paused).lines().count();
    ensemble.pause(paused);
    // Another leads: the pause is longer than the time after which a leader is given up.
    let leader = ensemble.leader().await;
    assert_ne!(leader, paused);
    writer.goes_on(50).await;
    ensemble.resume(paused);
    until("the paused server follows", async || {
        let statuses = ensemble.statuses().await;
        (statuses.get(&paused)?.role == "following").then_some(())
    })
    .await;
    let log = ensemble.log(paused);
    let said: Vec<_> = log.lines().skip(before).collect();
    for words in ["looking for a leader", "following"] {
        assert!(
            said.iter().any(|line| line.contains(words)),
            "server {paused} does not say `{words}`: {said:?}"
        );
    }
    writer.goes_on(20).await;
    let written = writer.stop().await;
    ensemble.agree().await;
    written.verify(&client, "/log").await;
}
