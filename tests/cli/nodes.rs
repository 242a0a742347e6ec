//! `create`, `get`, `set`, `check` and `sync` beyond the first steps.

use harness::{Process, until};

use crate::local::Dev;

#[tokio::test(flavor = "multi_thread")]
async fn data_comes_from_files_and_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    let file = folder.path().join("bytes.bin");
    std::fs::write(&file, [0, 255]).unwrap();
    let file = file.to_str().unwrap();
    dev.ok(&["create", "/bytes", "--file", file]).await;
    let got = dev.json(&["get", "/bytes"]).await;
    assert_eq!(got["data"], serde_json::json!([0, 255]));
    let set = dev
        .feed(&["set", "/bytes", "--file", "-"], "from a pipe")
        .await;
    assert_eq!((set.code, set.output.as_str()), (0, "version 1\n"));
    let shown = dev.ok(&["get", "/bytes", "--stat", "--linearizable"]).await;
    assert!(shown.starts_with("from a pipe\nczxid "), "{shown}");
    assert_eq!(dev.run(&["set", "/bytes"]).await.code, 2);
    assert_eq!(
        dev.run(&["set", "/bytes", "x", "--file", file]).await.code,
        2
    );

    dev.ok(&["check", "/bytes", "--version", "1"]).await;
    assert_eq!(
        dev.run(&["check", "/bytes", "--version", "0"]).await.code,
        4
    );
    assert_eq!(dev.run(&["check", "/nowhere"]).await.code, 3);
    let zxid = dev.json(&["sync"]).await;
    assert!(zxid["zxid"].as_str().unwrap().contains('.'), "{zxid}");
    follow(&dev).await;
    dev.stop().await;
}

/// `get --watch` prints what a node holds until it goes.
async fn follow(dev: &Dev) {
    let log = dev.profile.with_file_name("follow-log");
    let profile = dev.profile.to_str().unwrap();
    let follow = ["--profile", profile, "get", "--watch", "/bytes"];
    let mut follower = Process::start("zareba get --watch", &follow, &log);
    assert_eq!(follower.line().await.unwrap(), "from a pipe");
    dev.ok(&["set", "/bytes", "next"]).await;
    assert_eq!(follower.line().await.unwrap(), "next");
    dev.ok(&["delete", "/bytes"]).await;
    assert_eq!(follower.end().await.code(), Some(3));
    assert_eq!(follower.line().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_go_by_themselves_when_they_are_made_to() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    dev.ok(&["create", "/box", "--container"]).await;
    let stat = dev.json(&["stat", "/box"]).await;
    assert_eq!(stat["lifetime"], "container");
    let job = ["create", "/box/job-", "--sequential", "--ttl", "1h 30m"];
    assert_eq!(dev.ok(&job).await, "/box/job-0000000000\n");
    let stat = dev.json(&["stat", "/box/job-0000000000"]).await;
    assert_eq!(stat["lifetime"], "ttl 1h 30m");
    dev.ok(&["create", "/brief", "--ttl", "100ms"]).await;
    until("the node has gone", async || {
        (dev.run(&["stat", "/brief"]).await.code == 3).then_some(())
    })
    .await;
    for both in [
        ["--container", "--sequential"],
        ["--container", "--ephemeral"],
        ["--container", "--ttl=1s"],
        ["--ephemeral", "--ttl=1s"],
    ] {
        let refused = dev.run(&[&["create", "/no"], &both[..]].concat()).await;
        assert_eq!(refused.code, 2, "{}", refused.errors);
    }
    let nonsense = dev.run(&["create", "/no", "--ttl", "10"]).await;
    assert!(
        nonsense.errors.contains("such as 30s"),
        "{}",
        nonsense.errors
    );
    dev.stop().await;
}
