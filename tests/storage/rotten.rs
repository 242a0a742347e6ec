//! Bits that flipped while a server was down: it starts without a vote and is refilled, or refuses, and
//! never costs anybody a write.

use std::fs::{self, File};
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

/// The one file of a log that holds so little.
fn segment(ensemble: &Ensemble, id: u64) -> PathBuf {
    let files = files(&ensemble.data(id).join("log"));
    let mut segments = files
        .into_iter()
        .filter(|file| file.to_string_lossy().contains("log-"));
    let segment = segments.next().unwrap();
    assert_eq!(segments.next(), None);
    segment
}

/// It starts, says why it does not vote, and is brought level by the others.
async fn is_refilled(
    mut ensemble: Ensemble,
    client: Client,
    written: Written,
    id: u64,
    words: &[&str],
) {
    ensemble.restart(id).await;
    let said = ensemble.log(id);
    for words in words.iter().chain([&NO_VOTE]) {
        assert!(said.contains(words), "server {id} does not say `{words}`");
    }
    is_whole_again(&mut ensemble, id, &written).await;
    written.verify(&client, "/log").await;
}

/// Does what a server says that refuses to start, and finds that it helps.
async fn begins_anew(
    mut ensemble: Ensemble,
    client: Client,
    written: Written,
    id: u64,
    words: &str,
) {
    let advice = "move its data directory away and start it on an empty one";
    assert!(words.contains(advice), "{words}");
    fs::rename(ensemble.data(id), ensemble.folder().join("moved")).unwrap();
    ensemble.restart(id).await;
    is_whole_again(&mut ensemble, id, &written).await;
    written.verify(&client, "/log").await;
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
    let (ensemble, client, written, id) = one_stopped().await;
    flip(&segment(&ensemble, id), 4000);
    let words = ["is damaged at byte", "proves that it was durable"];
    is_refilled(ensemble, client, written, id, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_was_cut_short_costs_a_server_its_vote_until_it_is_refilled() {
    let (ensemble, client, written, id) = one_stopped().await;
    let file = File::options().write(true).open(segment(&ensemble, id));
    file.unwrap().set_len(4000).unwrap();
    let words = ["its file has been cut short"];
    is_refilled(ensemble, client, written, id, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_vanished_costs_a_server_its_vote_until_it_is_refilled() {
    let (ensemble, client, written, id) = one_stopped().await;
    fs::remove_file(segment(&ensemble, id)).unwrap();
    let words = ["there is neither a log nor an image"];
    is_refilled(ensemble, client, written, id, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_epochs_page_vanished_refuses_and_says_what_to_do() {
    let (mut ensemble, client, written, id) = one_stopped().await;
    fs::remove_file(ensemble.data(id).join("log").join("epochs")).unwrap();
    let words = ensemble.refuses_to_start(id).await;
    assert!(words.contains("the file `epochs` is missing"), "{words}");
    begins_anew(ensemble, client, written, id, &words).await;
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
    assert!(words.contains("both copies of the epochs page"), "{words}");
    begins_anew(ensemble, client, written, id, &words).await;
}
