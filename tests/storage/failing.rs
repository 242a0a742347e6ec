//! The first error of a disk stops the server that has it, and no other.

use harness::{Ensemble, Writer};

/// What every server that stops so has to say.
const ADVICE: &str = "check the disk's health and free space, then start the server again";

/// One server's disk fails so while clients write; whether it leads or follows.
async fn a_disk_fails(fault: &str, is_leader: bool, words: &[&str]) {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;
    let mut failing = ensemble.leader().await;
    if !is_leader {
        failing = failing % 3 + 1;
    }
    ensemble.kill(failing).await;
    ensemble.restart_with_fault(failing, fault).await;
    if is_leader {
        // The others step aside, so that it is the only one left that can lead.
        ensemble.serving().await;
        while ensemble.leader().await != failing {
            let other = ensemble.leader().await;
            ensemble.kill(other).await;
            ensemble.restart(other).await;
            ensemble.serving().await;
        }
    }
    let status = ensemble.ends_by_itself(failing).await;
    assert!(
        !status.success(),
        "a server that stopped so ended with {status}"
    );
    let log = ensemble.log(failing);
    for word in words.iter().chain([&ADVICE]) {
        assert!(log.contains(word), "server {failing} does not say `{word}`");
    }
    writer.goes_on(50).await;
    ensemble.restart(failing).await;
    ensemble.serving().await;
    writer.goes_on(20).await;
    let written = writer.stop().await;
    ensemble.agree().await;
    written.verify(&client, "/log").await;
    let there = ensemble.client_of(failing).await;
    written.verify(&there, "/log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_disk_is_full_stops_and_catches_up_once_it_has_room() {
    let words = [
        "no space is left on the disk for log-",
        "write to a segment",
    ];
    a_disk_fails("write:ENOSPC:file=log-:after=60", false, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_sync_fails_once_does_not_try_again() {
    let words = ["input/output error in sync", "sync a segment"];
    a_disk_fails("sync:EIO:file=log-:after=60:once", false, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_sync_fails_is_replaced() {
    let words = ["input/output error in sync", "sync a segment"];
    a_disk_fails("sync:EIO:file=log-:after=800:once", true, &words).await;
}
