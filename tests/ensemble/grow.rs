//! One server becomes three, and then does without the first.

use harness::{Ensemble, Writer};

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_joined_by_two_and_then_dies_and_the_service_goes_on() {
    let mut ensemble = Ensemble::start(1).await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;

    let second = ensemble.join(true).await;
    let third = ensemble.join(true).await;
    assert_eq!((second, third), (2, 3), "numbers are given in order");
    ensemble.settled(&[1, 2, 3]).await;
    ensemble.agree().await;

    // The writer's profile names the first alone; that the others have come, it was told.
    ensemble.kill(1).await;
    writer.goes_on(50).await;
    let written = writer.stop().await;
    written.verify(&ensemble.client().await, "/log").await;

    // The first comes back as what it was, with its old configuration of one.
    ensemble.restart(1).await;
    ensemble.serving().await;
    ensemble.settled(&[1, 2, 3]).await;
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_joined_finds_everything_at_its_next_start() {
    let mut ensemble = Ensemble::start(1).await;
    let joined = ensemble.join(true).await;
    ensemble.settled(&[1, joined]).await;
    ensemble.stop(joined).await;
    ensemble.restart(joined).await;
    ensemble.serving().await;
    ensemble.settled(&[1, joined]).await;
    ensemble.agree().await;
}
