//! `get`, `set`, `check` and `sync` beyond the first steps.

use harness::Process;

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
