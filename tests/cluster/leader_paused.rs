//! A leader that stands still is replaced, and joins the others when it goes on.

use std::time::Duration;

use harness::{Ensemble, Writer, until};
use tokio::time::Instant;

/// Far longer than a healthy ensemble needs on a busy machine: about a second.
const GAP_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_is_replaced_and_rejoins_when_it_goes_on() {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let mut writers = Vec::new();
    for id in 1..=3 {
        let client = ensemble.client_from(id, Duration::from_secs(30)).await;
        writers.push(Writer::start(client, &format!("/of-{id}")).await);
    }
    for writer in &mut writers {
        writer.goes_on(20).await;
    }
    let paused = ensemble.leader().await;
    let asked = Instant::now();
    ensemble.pause(paused);
    for writer in &mut writers {
        writer.goes_on(5).await;
    }
    let gap = asked.elapsed();
    let leader = ensemble.leader().await;
    assert_ne!(leader, paused);
    ensemble.resume(paused);
    until("the paused server follows", async || {
        let statuses = ensemble.statuses().await;
        let resumed = statuses.get(&paused)?;
        (resumed.role == "following").then_some(())
    })
    .await;
    for writer in &mut writers {
        writer.goes_on(20).await;
    }
    for (writer, id) in writers.into_iter().zip(1..) {
        let written = writer.stop().await;
        println!(
            "leader paused: client of server {id} waited at most {:?}, {} refused",
            written.slowest, written.refused
        );
        written.verify(&client, &format!("/of-{id}")).await;
    }
    println!("leader paused: all clients went on after {gap:?}");
    assert!(gap < GAP_MAX, "no write for {gap:?}");
    ensemble.agree().await;
}
