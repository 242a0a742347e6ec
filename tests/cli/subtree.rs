//! `tree`, `du`, `count`, `ls` and `delete --recursive`: what lies below a node.

use crate::local::Dev;

#[tokio::test(flavor = "multi_thread")]
async fn a_subtree_is_drawn_counted_listed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    dev.ok(&["create", "-p", "/app/jobs/a", "12345"]).await;
    dev.ok(&["create", "/app/jobs/b", "1"]).await;
    dev.ok(&["create", "/app/config", "123"]).await;
    dev.ok(&["create", "/app/empty"]).await;
    drawings(&dev).await;
    sums(&dev).await;
    lists(&dev).await;
    removals(&dev).await;
    many(&dev).await;
    dev.stop().await;
}

async fn drawings(dev: &Dev) {
    let whole = "\
/app  (3 children)
├── config  (3 bytes)
├── empty
└── jobs  (2 children)
    ├── a  (5 bytes)
    └── b  (1 byte)
6 nodes, 9 bytes
";
    assert_eq!(dev.ok(&["tree", "/app"]).await, whole);
    let shallow = "\
/app  (3 children)
├── config  (3 bytes)
├── empty
└── jobs  (2 children)
4 nodes, 3 bytes
";
    assert_eq!(dev.ok(&["tree", "/app", "--depth", "1"]).await, shallow);
    let cut = dev.ok(&["tree", "/app", "--limit", "2"]).await;
    assert!(cut.ends_with("there are more: --limit 2 was reached\n"));
    assert_eq!(cut.lines().count(), 3);
    let exact = dev.ok(&["tree", "/app", "--limit", "6"]).await;
    assert_eq!(exact, whole);

    let values = dev.json_lines(&["tree", "/app"]).await;
    let paths: Vec<_> = values[..6]
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    let expected = [
        "/app",
        "/app/config",
        "/app/empty",
        "/app/jobs",
        "/app/jobs/a",
        "/app/jobs/b",
    ];
    assert_eq!(paths, expected);
    assert_eq!(
        (&values[4]["depth"], &values[4]["dataLength"]),
        (&2.into(), &5.into())
    );
    let end = &values[6];
    assert_eq!((&end["nodes"], &end["cut"]), (&6.into(), &false.into()));

    let whole = dev.ok(&["tree"]).await;
    assert!(whole.starts_with("/  ("), "{whole}");
    assert!(whole.contains("── zareba"), "{whole}");
}

async fn sums(dev: &Dev) {
    let table = dev.ok(&["du", "/app"]).await;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NODES", "BYTES", "SUBTREE"]);
    assert_eq!(rows[1], ["3", "6", "jobs"]);
    assert_eq!(rows[2], ["1", "3", "config"]);
    assert_eq!(rows[3], ["1", "0", "empty"]);
    assert_eq!(rows[4][..3], ["6", "9", "/app"]);
    let values = dev.json_lines(&["du", "/app", "--limit", "1"]).await;
    assert_eq!(values[0]["name"], "jobs");
    assert_eq!(
        (&values[1]["nodes"], &values[1]["bytes"]),
        (&6.into(), &9.into())
    );
    assert_eq!(values[1]["others"]["children"], 2);

    assert_eq!(dev.ok(&["count", "/app"]).await, "3\n");
    assert_eq!(dev.ok(&["count", "-R", "/app"]).await, "5\n");
    // The six of this test, and the mounts of the seventeen recipes.
    assert_eq!(dev.ok(&["count", "-R", "--sync"]).await, "23\n");
    let shown = dev.ok(&["count", "-R", "/zareba/plugins"]).await;
    assert_eq!(shown, "34\n");
    assert_eq!(dev.json(&["count", "/app/empty"]).await["count"], 0);
    assert_eq!(dev.run(&["count", "/nowhere"]).await.code, 3);
}

async fn lists(dev: &Dev) {
    let all = dev.ok(&["ls", "-R", "/app"]).await;
    assert_eq!(all, "config\nempty\njobs\njobs/a\njobs/b\n");
    let some = dev.ok(&["ls", "-R", "/app", "--prefix", "j"]).await;
    assert_eq!(some, "jobs\njobs/a\njobs/b\n");
    let long = dev.ok(&["ls", "--long", "/app/jobs"]).await;
    let rows: Vec<Vec<&str>> = long
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{long}");
    assert_eq!(rows[1][..3], ["0", "5", "0"]);
    assert_eq!(rows[1][4], "a");
    let values = dev
        .json_lines(&["ls", "-l", "/app/jobs", "--linearizable"])
        .await;
    assert_eq!(values[1]["path"], "/app/jobs/b");
    assert_eq!(values[1]["stat"]["dataLength"], 1);
    assert_eq!(dev.json_lines(&["ls", "/app/jobs"]).await, ["a", "b"]);
}

async fn removals(dev: &Dev) {
    let refused = dev.run(&["delete", "/app"]).await;
    assert_eq!(refused.code, 4);
    assert!(refused.errors.contains("--recursive"), "{}", refused.errors);
    assert_eq!(dev.ok(&["rm", "-r", "/app"]).await, "deleted 6 nodes\n");
    assert_eq!(dev.run(&["stat", "/app"]).await.code, 3);
    assert_eq!(dev.run(&["rm", "-r", "/app"]).await.code, 3);
    let root = dev.run(&["rm", "-r", "/"]).await;
    assert_eq!(root.code, 1);
    assert!(
        root.errors.contains("the root cannot be deleted"),
        "{}",
        root.errors
    );
}

/// More children than a page holds, in more steps than one.
async fn many(dev: &Dev) {
    let lines: Vec<String> = (0..1_500)
        .map(|i| format!(r#"{{"op":"create","path":"/many/n{i:04}/x"}}"#))
        .collect();
    let parents: Vec<String> = lines
        .iter()
        .map(|line| line.replace("/x\"", "\""))
        .collect();
    let input = format!(
        "{{\"op\":\"create\",\"path\":\"/many\"}}\n{}\n{}\n",
        parents.join("\n"),
        lines.join("\n")
    );
    let made = dev.feed(&["multi"], &input).await;
    assert_eq!(made.code, 0, "{}", made.errors);
    assert_eq!(dev.ok(&["count", "/many"]).await, "1500\n");
    assert_eq!(dev.ok(&["count", "-R", "/many"]).await, "3000\n");
    assert_eq!(dev.ok(&["ls", "/many"]).await.lines().count(), 1_500);
    let listed = dev.ok(&["ls", "-R", "/many"]).await;
    let mut sorted: Vec<_> = listed.lines().collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 3_000);
    assert!(
        listed.lines().eq(sorted),
        "parents come before children, in order"
    );
    let deleted = dev.json(&["rm", "-r", "/many"]).await;
    assert_eq!(deleted["nodes"], 3_001);
    assert_eq!(dev.run(&["stat", "/many"]).await.code, 3);
}
