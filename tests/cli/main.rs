//! `zareba` as a stranger meets it: a local ensemble started with one command, asked with others.
//! Must never use the client library: it knows what a terminal shows.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod access;
mod bench;
mod events;
mod identity;
mod interactive;
mod local;
mod manual;
mod multi;
mod nodes;
mod one_server;
mod plugins;
mod quotas;
mod sessions;
mod shell;
mod subtree;
mod terminal;
mod transfer;

use harness::Process;
use serde_json::Value;

use crate::local::{Dev, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_starts_an_ensemble_uses_it_and_finds_the_data_again() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path()).await;
    assert_eq!(dev.ready["ready"], true);
    assert_eq!(dev.ready["endpoints"].as_array().unwrap().len(), 3);
    assert_eq!(dev.ready["profile"], dev.profile.to_str().unwrap());

    data_commands(&dev).await;
    refusals(&dev).await;
    json_output(&dev).await;
    plugins::life(&dev).await;
    locks(&dev).await;
    watches(&dev).await;

    dev.ok(&["create", "/kept", "through a restart"]).await;
    dev.stop().await;
    let dev = Dev::start(folder.path()).await;
    assert_eq!(dev.ok(&["get", "/kept"]).await, "through a restart\n");
    assert_eq!(dev.ok(&["call", "/locks", "holders"]).await, "[]\n");
    // Its ports are others now, and the ensemble knows.
    let shown = dev.ok(&["get", "/zareba/ensemble"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let members = shown["members"].as_array().unwrap().iter();
    let known: Vec<_> = members.map(|it| it["client_address"].clone()).collect();
    assert_eq!(&known, dev.ready["endpoints"].as_array().unwrap());
    dev.stop().await;
}

async fn data_commands(dev: &Dev) {
    assert_eq!(dev.ok(&["create", "/a", "one"]).await, "/a\n");
    assert_eq!(dev.ok(&["get", "/a"]).await, "one\n");
    assert_eq!(dev.ok(&["set", "/a", "two"]).await, "version 1\n");
    assert_eq!(dev.ok(&["get", "--sync", "/a"]).await, "two\n");
    assert_eq!(
        dev.ok(&["create", "-p", "/x/y/z", "deep"]).await,
        "/x/y/z\n"
    );
    let first = dev.ok(&["create", "--sequential", "/x/n-"]).await;
    assert_eq!(first, "/x/n-0000000001\n");
    assert_eq!(dev.ok(&["ls", "/x"]).await, "n-0000000001\ny\n");
    assert_eq!(
        dev.ok(&["ls", "/x", "--prefix", "n"]).await,
        "n-0000000001\n"
    );
    let stat = dev.ok(&["stat", "/a"]).await;
    let version = stat.lines().find(|line| line.starts_with("version"));
    assert!(version.unwrap().ends_with(" 1"), "{stat}");
    dev.ok(&["delete", "/x/y/z"]).await;
    assert_eq!(dev.ok(&["ls", "/x/y"]).await, "");
}

async fn refusals(dev: &Dev) {
    let cases: [(&[&str], i32, &str); 6] = [
        (&["get", "/nowhere"], 3, "/nowhere"),
        (&["stat", "/nowhere"], 3, "/nowhere"),
        (&["create", "/a"], 4, "/a"),
        (&["set", "/a", "three", "--version", "0"], 4, "version"),
        (&["delete", "/x"], 4, "children"),
        (&["get", "no-slash"], 2, "no-slash"),
    ];
    for (arguments, code, word) in cases {
        let said = dev.run(arguments).await;
        assert_eq!(said.code, code, "{arguments:?}: {}", said.errors);
        assert!(said.errors.contains(word), "{arguments:?}: {}", said.errors);
        assert_eq!(said.output, "");
    }
}

async fn json_output(dev: &Dev) {
    let got = dev.json(&["get", "/a"]).await;
    assert_eq!((&got["path"], &got["data"]), (&"/a".into(), &"two".into()));
    assert_eq!(got["stat"]["version"], 1);
    assert_eq!(dev.json(&["stat", "/a"]).await["dataLength"], 3);
    let created = dev.json(&["create", "/json", "x"]).await;
    assert_eq!(created["path"], "/json");
    assert_eq!(dev.json(&["delete", "/json"]).await["deleted"], "/json");
    let refused = dev.run(&["--output", "json", "get", "/nowhere"]).await;
    let error: Value = serde_json::from_str(&refused.errors).unwrap();
    assert_eq!(
        (&error["code"], &error["exit"]),
        (&"NO_NODE".into(), &3.into())
    );

    let status = dev.ok(&["--output", "json", "status"]).await;
    let servers: Vec<Value> = status
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(servers.len(), 3);
    let leading = servers.iter().filter(|it| it["role"] == "leading");
    assert_eq!(leading.count(), 1, "{status}");
    let table = dev.ok(&["status"]).await;
    assert_eq!(table.lines().count(), 4, "{table}");
}

async fn locks(dev: &Dev) {
    let token = ["lock", "db", "--", "sh", "-c", "echo $ZAREBA_FENCING_TOKEN"];
    let first: u64 = dev.ok(&token).await.trim().parse().unwrap();
    let second: u64 = dev.ok(&token).await.trim().parse().unwrap();
    assert!(first < second);
    let failed = dev.run(&["lock", "db", "--", "sh", "-c", "exit 42"]).await;
    assert_eq!(failed.code, 42);

    let log = dev.profile.with_file_name("lock-log");
    let profile = dev.profile.to_str().unwrap();
    let hold = [
        "--profile",
        profile,
        "lock",
        "db",
        "--",
        "sh",
        "-c",
        "echo held; exec sleep 600",
    ];
    let mut holder = Process::start("zareba lock", &hold, &log);
    assert_eq!(holder.line().await.unwrap(), "held");
    let refused = dev.run(&["lock", "--try", "db", "--", "true"]).await;
    assert_eq!(refused.code, 7, "{}", refused.errors);
    assert!(refused.errors.contains("held"), "{}", refused.errors);
    let late = dev
        .run(&["lock", "--wait-ms", "100", "db", "--", "true"])
        .await;
    assert_eq!(late.code, 7, "{}", late.errors);
    let holders = dev
        .json(&["call", "/locks", "holders", r#"{"name":"db"}"#])
        .await;
    assert_eq!(holders[0]["name"], "db");
    // An interrupted holder kills its command and gives the lock back at once.
    holder.signal("INT");
    assert_eq!(holder.end().await.code(), Some(1));
    dev.ok(&["lock", "--try", "db", "--", "true"]).await;
}

async fn watches(dev: &Dev) {
    let log = dev.profile.with_file_name("watch-log");
    let profile = dev.profile.to_str().unwrap();
    let watch = ["--profile", profile, "watch", "/a", "--events", "1"];
    let mut watcher = Process::start("zareba watch", &watch, &log);
    // Nothing tells when the watch is set, so the node is changed until the watcher has seen it.
    let changed = harness::until("the watcher ends", async || {
        dev.ok(&["set", "/a", "again"]).await;
        watcher.ended()
    })
    .await;
    assert!(changed.success());
    let line = watcher.line().await.unwrap();
    assert!(line.ends_with(" changed /a"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_ensemble_the_error_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("client.toml");
    let said = run(&["--profile", nowhere.to_str().unwrap(), "get", "/a"]).await;
    assert_eq!(said.code, 2, "{}", said.errors);
    assert!(said.errors.contains("client.toml"), "{}", said.errors);

    // A profile of an ensemble that has ended.
    let dev = Dev::start(folder.path()).await;
    let profile = dev.profile.clone();
    dev.stop().await;
    let profile = profile.to_str().unwrap();
    let said = run(&["--profile", profile, "get", "/a"]).await;
    assert_eq!(said.code, 6, "{}", said.errors);
    assert!(said.errors.contains("127.0.0.1:"), "{}", said.errors);
    assert!(
        said.errors.contains("check that the ensemble runs"),
        "{}",
        said.errors
    );
    assert_eq!(said.output, "");
    let said = run(&["--profile", profile, "status"]).await;
    assert_eq!(said.code, 6, "{}", said.errors);
}
