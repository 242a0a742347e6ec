//! `--read-only` and `--local`: sessions of one server alone.

use harness::Ensemble;

use crate::local::run;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_leader_serves_who_only_reads() {
    let mut ensemble = Ensemble::start(3).await;
    let profile = ensemble.profile_file();
    let command = |words: &[&'static str]| {
        let mut line = vec!["--profile".to_owned(), profile.display().to_string()];
        line.extend(words.iter().map(|&word| word.to_owned()));
        line
    };
    let said = async |words: &[&'static str]| {
        let line = command(words);
        run(&line.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    assert_eq!(said(&["create", "/a", "1"]).await.code, 0);
    let who = said(&["--local", "--output", "json", "whoami"]).await;
    assert!(who.output.contains(r#""kind":"local""#), "{}", who.output);
    // The first write makes a full one of it.
    let written = said(&["--local", "set", "/a", "2"]).await;
    assert_eq!((written.code, &*written.output), (0, "version 1\n"));
    ensemble.agree().await;

    ensemble.kill(2).await;
    ensemble.kill(3).await;
    ensemble.is_leaderless(1).await;
    let read = said(&["--read-only", "get", "/a"]).await;
    assert_eq!((read.code, &*read.output), (0, "2\n"), "{}", read.errors);
    let listed = said(&["--read-only", "ls", "/"]).await;
    assert!(listed.output.starts_with("a\n"), "{}", listed.output);
}
