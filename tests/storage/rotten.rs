//! Bits that flipped while a server was down: it starts without a vote and is refilled, or refuses, and
//! never costs anybody a write.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Ensemble, Writer, Written};
use zareba_client::Client;

/// What a server says that must be refilled.
const NO_VOTE: &str = "this server does not vote until a leader has refilled it";

/// Three servers with some writes, one of them stopped; the clients, the writes, and which.
async fn one_stopped() -> (Ensemble, Client, Written, u64) {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(200).await;
    let written = writer.stop().await;
    ensemble.agree().await;
    let stopped = ensemble.leader().await % 3 + 1;
    ensemble.stop(stopped).await;
    (ensemble, client, written, stopped)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 4;
    fs::write(file, bytes).unwrap();
}

/// It serves, has everything, and needs no refill at its next start.
async fn is_whole_again(ensemble: &mut Ensemble, id: u64, written: &Written) {
    ensemble.serving().await;
    ensemble.agree().await;
    let there = ensemble.client_of(id).await;
    written.verify(&there, "/log").await;
    drop(there);
    ensemble.stop(id).await;
    let before = ensemble.log(id).matches(NO_VOTE).count();
    ensemble.restart(id).await;
    ensemble.serving().await;
    assert_eq!(ensemble.log(id).matches(NO_VOTE).count(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_segment_costs_a_server_its_vote_until_it_is_refilled() {
    let (mut ensemble, client, written, id) = one_stopped().await;
    let log = ensemble.data(id).join("log");
    let segments = files(&log);
    let segment = segments
        .iter()
        .find(|file| file.to_string_lossy().contains("log-"))
        .unwrap();
    flip(segment, 4000);
    ensemble.restart(id).await;
    let said = ensemble.log(id);
    for words in [
        NO_VOTE,
        "is damaged at byte",
        "a later mark proves that it was durable",
    ] {
        assert!(said.contains(words), "server {id} does not say `{words}`");
    }
    is_whole_again(&mut ensemble, id, &written).await;
    written.verify(&client, "/log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_image_is_set_aside() {
    let (mut ensemble, client, written, id) = one_stopped().await;
    let version = ensemble.data(id).join("image").join("version");
    flip(&version, 0);
    ensemble.restart(id).await;
    let said = ensemble.log(id);
    assert!(
        said.contains("the image is unusable and was set aside"),
        "{said}"
    );
    assert!(ensemble.data(id).join("image.broken").is_dir());
    is_whole_again(&mut ensemble, id, &written).await;
    written.verify(&client, "/log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_know_its_promises_refuses_and_joins_anew_without_a_vote() {
    let (mut ensemble, client, written, id) = one_stopped().await;
    let epochs = ensemble.data(id).join("log").join("epochs");
    flip(&epochs, 24);
    ensemble.restart(id).await;
    ensemble.serving().await;
    ensemble.stop(id).await;
    // One bad copy was mended; two are too many.
    flip(&epochs, 24);
    flip(&epochs, 4096 + 24);
    let words = ensemble.refuses_to_start(id).await;
    assert!(
        words.contains("both copies of the epochs page") && words.contains("bootstrap = false"),
        "{words}"
    );
    fs::rename(ensemble.data(id), ensemble.folder().join("moved")).unwrap();
    ensemble.configure(id, "bootstrap = false");
    ensemble.restart(id).await;
    assert!(ensemble.log(id).contains(NO_VOTE));
    is_whole_again(&mut ensemble, id, &written).await;
    written.verify(&client, "/log").await;
}
