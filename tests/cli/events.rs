//! `watch`: every event, of a node or a subtree, also of the past.

use harness::Process;

use crate::local::Dev;

#[tokio::test(flavor = "multi_thread")]
async fn events_come_one_a_line_from_where_one_wants_them() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    dev.ok(&["create", "/a"]).await;
    let stat = dev.json(&["stat", "/a"]).await;
    let since = stat["czxid"].as_str().unwrap();
    for line in [
        &["create", "/a/b"][..],
        &["set", "/a/b", "1"],
        &["set", "/a/b", "2"],
        &["delete", "/a/b"],
        &["set", "/a", "x"],
        &["delete", "/a"],
    ] {
        dev.ok(line).await;
    }
    let from = |more: &[&'static str]| {
        let mut line = vec!["watch", "/a", "--since", since];
        line.extend(more);
        line
    };
    let all = dev.ok(&from(&["--recursive", "--events", "6"])).await;
    let expected = [
        "created /a/b",
        "changed /a/b",
        "changed /a/b",
        "deleted /a/b",
        "changed /a",
        "deleted /a",
    ];
    assert_eq!(without_zxids(&all), expected);
    let node = dev.ok(&from(&["--events", "2"])).await;
    assert_eq!(without_zxids(&node), ["changed /a", "deleted /a"]);
    let list = dev.ok(&from(&["--children", "--events", "3"])).await;
    let expected = ["children-changed /a", "children-changed /a", "deleted /a"];
    assert_eq!(without_zxids(&list), expected);

    // On from the last line of an earlier watch.
    let third = all.lines().nth(2).unwrap().split(' ').next().unwrap();
    let rest = ["watch", "/a", "-R", "--since", third, "--events", "1"];
    let values = dev.json_lines(&rest).await;
    assert_eq!(
        (&values[0]["kind"], &values[0]["path"]),
        (&"deleted".into(), &"/a/b".into())
    );
    let both = dev.run(&from(&["--recursive", "--children"])).await;
    assert_eq!(both.code, 2, "{}", both.errors);
    let nonsense = dev.run(&["watch", "/a", "--since", "yesterday"]).await;
    assert!(
        nonsense.errors.contains("EPOCH.COUNTER"),
        "{}",
        nonsense.errors
    );
    interrupted(&dev, since).await;
    too_many(&dev).await;
    dev.stop().await;
}

fn without_zxids(output: &str) -> Vec<&str> {
    let lines = output.lines();
    lines.map(|line| line.split_once(' ').unwrap().1).collect()
}

/// Its session ends with it, not by a timeout.
async fn interrupted(dev: &Dev, since: &str) {
    let log = dev.profile.with_file_name("watch-log");
    let profile = dev.profile.to_str().unwrap();
    let watch = ["--profile", profile, "watch", "/", "-R", "--since", since];
    let mut watcher = Process::start("zareba watch", &watch, &log);
    assert!(watcher.line().await.unwrap().ends_with(" created /a/b"));
    let sessions = dev.json_lines(&["session", "list"]).await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    watcher.signal("INT");
    assert!(watcher.end().await.success());
    let sessions = dev.json_lines(&["session", "list"]).await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
}

/// More than a server tells at once: where events are missing, the output says so.
async fn too_many(dev: &Dev) {
    dev.ok(&["create", "/busy"]).await;
    let stat = dev.json(&["stat", "/busy"]).await;
    let since = stat["czxid"].as_str().unwrap();
    let sets = "{\"op\":\"set\",\"path\":\"/busy\"}\n".repeat(6_000);
    for _ in 0..2 {
        let said = dev.feed(&["multi"], &sets).await;
        assert_eq!(said.code, 0, "{}", said.errors);
    }
    let watch = ["watch", "/busy", "--since", since, "--events", "1"];
    let said = dev.run(&watch).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    assert_eq!(without_zxids(&said.output), ["resync /busy"]);
    assert!(said.errors.contains("look again"), "{}", said.errors);
}
