//! `quota`: how much a subtree may hold.

use crate::local::Dev;

#[tokio::test(flavor = "multi_thread")]
async fn a_subtree_is_limited_and_what_it_holds_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    assert_eq!(dev.ok(&["quota", "list"]).await, "");
    dev.ok(&["create", "-p", "/100%/app", "12345"]).await;
    let none = dev.run(&["quota", "get", "/100%"]).await;
    assert_eq!(none.code, 3, "{}", none.errors);
    assert!(none.errors.contains("quota list"), "{}", none.errors);

    let set = [
        "quota",
        "set",
        "/100%",
        "--nodes-hard",
        "2",
        "--bytes-soft",
        "4",
        "--bytes-hard",
        "1KiB",
    ];
    let set = dev.json(&set).await;
    let got = dev.json(&["quota", "get", "/100%"]).await;
    assert_eq!(set, got);
    let expected = serde_json::json!({
        "path": "/100%", "nodes": 2, "nodesSoft": null, "nodesHard": 2,
        "bytes": 5, "bytesSoft": 4, "bytesHard": 1024, "state": "over-soft",
    });
    assert_eq!(got, expected);
    let refused = dev.run(&["create", "/100%/more"]).await;
    assert_eq!(refused.code, 12, "{}", refused.errors);
    assert!(refused.errors.contains("quota list"), "{}", refused.errors);

    // What limited it before does so no more.
    let set = ["quota", "set", "/100%", "--nodes-soft", "10"];
    let table = dev.ok(&set).await;
    let words = |row: &str| -> Vec<String> { row.split_whitespace().map(str::to_owned).collect() };
    let row = words(table.lines().nth(1).unwrap());
    assert_eq!(row, ["/100%", "2", "10", "-", "5", "-", "-", "ok"]);
    dev.ok(&["create", "/100%/more"]).await;
    dev.ok(&["create", "/%2F"]).await;
    dev.ok(&["quota", "set", "/%2F", "--nodes-hard", "0"]).await;
    let list = dev.json_lines(&["quota", "list"]).await;
    let shown: Vec<_> = list.iter().map(|it| (&it["path"], &it["state"])).collect();
    let expected = [
        (&"/%2F".into(), &"over-hard".into()),
        (&"/100%".into(), &"ok".into()),
    ];
    assert_eq!(shown, expected);

    dev.ok(&["quota", "rm", "/%2F"]).await;
    assert_eq!(dev.run(&["quota", "rm", "/%2F"]).await.code, 3);
    let lines = "cd /100%\nquota get .\nquota rm .\nquota list --output json\n";
    let said = dev.feed(&["shell"], lines).await;
    assert_eq!(
        (said.code, said.output.lines().count()),
        (0, 2),
        "{}",
        said.errors
    );
    assert_eq!(dev.run(&["quota", "set", "/100%"]).await.code, 2);
    let nonsense = dev
        .run(&["quota", "set", "/100%", "--bytes-hard", "1k"])
        .await;
    assert!(nonsense.errors.contains("64KiB"), "{}", nonsense.errors);
    dev.stop().await;
}
