//! `export` and `import`: a subtree as JSON lines, there and back.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::local::Dev;

/// Nodes of the round trip.
const NODES: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_nodes_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    let made = folder.path().join("made.jsonl");
    std::fs::write(&made, export_of_many()).unwrap();
    let made = made.to_str().unwrap();
    let tried = dev.json(&["import", "--file", made, "--dry-run"]).await;
    assert_eq!(
        (&tried["created"], &tried["dryRun"]),
        (&NODES.into(), &true.into())
    );
    assert_eq!(dev.run(&["stat", "/many"]).await.code, 3);
    let imported = dev.json(&["import", "--file", made]).await;
    assert_eq!(imported["created"], NODES);

    let first = folder.path().join("first.jsonl");
    let text = dev
        .ok(&["export", "/many", "--file", first.to_str().unwrap()])
        .await;
    assert!(
        text.starts_with(&format!("exported {NODES} nodes, ")),
        "{text}"
    );
    let copied = dev
        .ok(&["import", "/copy", "--file", first.to_str().unwrap()])
        .await;
    assert!(copied.contains(&format!("{NODES} created")), "{copied}");
    let second = dev.ok(&["export", "/copy"]).await;
    let first = std::fs::read_to_string(first).unwrap();
    let below = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(below(&first), below(&second));
    assert_eq!(
        below(&first),
        below(&std::fs::read_to_string(made).unwrap())
    );
    dev.stop().await;
}

/// As `zareba export` writes it: some data is text, some is not, some is empty.
fn export_of_many() -> String {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    lines.push(json!({ "path": ".", "data": "root\n\"quoted\" ä", "mode": "persistent" }));
    bytes += "root\n\"quoted\" ä".len();
    for i in 1..NODES {
        // Groups come before what is in them, and all in the order of their names.
        let path = match i % 100 {
            1 => format!("g{:03}", i / 100),
            _ => format!("g{:03}/n{:010}", (i - 1) / 100, i),
        };
        let (key, data, length) = match i % 3 {
            0 => ("data", format!("value {i}"), format!("value {i}").len()),
            1 => ("base64", "/wD+".to_owned(), 3),
            _ => ("data", String::new(), 0),
        };
        lines.push(json!({ "path": path, key: data, "mode": "persistent" }));
        bytes += length;
    }
    let mut text = format!("{}\n", json!({ "zareba-export": 1, "path": "/many" }));
    for line in &lines {
        writeln!(text, "{}", in_order(line)).unwrap();
    }
    let end = format!(r#"{{"end":true,"nodes":{NODES},"bytes":{bytes},"skippedEphemeral":0}}"#);
    text + &end + "\n"
}

/// The line with its fields in the order in which they are written.
fn in_order(line: &Value) -> String {
    let fields = ["path", "data", "base64", "mode"];
    let present = fields.iter().filter_map(|key| Some((key, line.get(key)?)));
    let present: Vec<_> = present
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}", present.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_stops_an_import_stays_or_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    dev.ok(&["create", "/app", "old"]).await;
    dev.ok(&["create", "--sequential", "/app/n-", "one"]).await;
    dev.ok(&["create", "/app/two", "2"]).await;
    let file = folder.path().join("app.jsonl");
    let file = file.to_str().unwrap();
    dev.ok(&["export", "/app", "--file", file]).await;
    golden(Path::new(file));

    // Into the same place: all three are there.
    let refused = dev.run(&["import", "--file", file]).await;
    assert_eq!(refused.code, 4, "{}", refused.errors);
    assert!(refused.errors.contains("line 2"), "{}", refused.errors);
    assert!(refused.errors.contains("--existing"), "{}", refused.errors);
    let tried = dev.run(&["import", "--file", file, "--dry-run"]).await;
    assert_eq!(tried.code, 4, "{}", tried.errors);
    assert!(
        tried.errors.contains("3 nodes are there already"),
        "{}",
        tried.errors
    );

    dev.ok(&["set", "/app", "new"]).await;
    dev.ok(&["delete", "/app/two"]).await;
    let skipped = dev
        .json(&["import", "--file", file, "--existing", "skip"])
        .await;
    assert_eq!(
        (&skipped["created"], &skipped["skipped"]),
        (&1.into(), &2.into())
    );
    assert_eq!(dev.ok(&["get", "/app"]).await, "new\n");
    let replaced = dev
        .json(&["import", "--file", file, "--existing", "replace"])
        .await;
    assert_eq!(
        (&replaced["created"], &replaced["replaced"]),
        (&0.into(), &3.into())
    );
    assert_eq!(dev.ok(&["get", "/app"]).await, "old\n");

    let orphan = dev.run(&["import", "/no/parent", "--file", file]).await;
    assert_eq!(orphan.code, 3, "{}", orphan.errors);
    assert!(orphan.errors.contains("--parents"), "{}", orphan.errors);
    let tried = dev
        .run(&["import", "/no/parent", "--file", file, "--dry-run"])
        .await;
    assert_eq!(tried.code, 3, "{}", tried.errors);
    dev.ok(&["import", "/no/parent", "-p", "--file", file])
        .await;
    assert_eq!(dev.ok(&["get", "/no/parent/n-0000000000"]).await, "one\n");

    // A subtree that is spread over the root.
    let whole = dev.ok(&["export", "/app"]).await;
    let spread = dev.feed(&["import", "/"], &whole).await;
    assert_eq!(spread.code, 0, "{}", spread.errors);
    assert_eq!(dev.ok(&["get", "/two"]).await, "2\n");
    cut_files(&dev, folder.path(), &whole).await;
    ephemeral_nodes(&dev).await;
    dev.stop().await;
}

fn golden(file: &Path) {
    let expected = r#"{"zareba-export":1,"path":"/app"}
{"path":".","data":"old","mode":"persistent"}
{"path":"n-0000000000","data":"one","mode":"persistent"}
{"path":"two","data":"2","mode":"persistent"}
{"end":true,"nodes":3,"bytes":7,"skippedEphemeral":0}
"#;
    assert_eq!(std::fs::read_to_string(file).unwrap(), expected);
}

async fn cut_files(dev: &Dev, folder: &Path, whole: &str) {
    let lines: Vec<_> = whole.lines().collect();
    let cut = format!("{}\n", lines[..3].join("\n"));
    let file = folder.join("cut.jsonl");
    std::fs::write(&file, &cut).unwrap();
    let refused = dev
        .run(&["import", "/cut", "--file", file.to_str().unwrap()])
        .await;
    assert_eq!(refused.code, 1, "{}", refused.errors);
    assert!(refused.errors.contains("is cut"), "{}", refused.errors);
    assert_eq!(
        dev.run(&["stat", "/cut"]).await.code,
        3,
        "nothing was written"
    );
    let refused = dev.feed(&["import", "/cut"], &cut).await;
    assert_eq!(refused.code, 1, "{}", refused.errors);
    assert!(refused.errors.contains("is cut"), "{}", refused.errors);
    let nonsense = dev.feed(&["import", "/cut"], "hello\n").await;
    assert_eq!(nonsense.code, 1);
    assert!(nonsense.errors.contains("line 1"), "{}", nonsense.errors);
}

async fn ephemeral_nodes(dev: &Dev) {
    // The shell's session holds the node while the export is made in it.
    let file = dev.profile.with_file_name("ephemeral.jsonl");
    let line = format!("export /two --file '{}'\n", file.display());
    let said = dev
        .feed(&["shell"], &format!("create /two/mine --ephemeral\n{line}"))
        .await;
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(
        said.output.contains("one ephemeral node was left out"),
        "{}",
        said.output
    );
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("mine"), "{text}");
    assert!(text.contains(r#""nodes":1,"#), "{text}");
    assert!(text.contains(r#""skippedEphemeral":1"#), "{text}");
    assert_eq!(dev.ok(&["ls", "/two"]).await, "", "the session was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_lifetimes_are_exported_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    let owner = ["--auth", "digest:owner:secret"];
    let as_owner = |line: &[&'static str]| [&owner[..], line].concat();
    dev.ok(&as_owner(&["create", "/app", "--acl", "auth::rwcda"]))
        .await;
    dev.ok(&as_owner(&["create", "/app/box", "--container"]))
        .await;
    dev.ok(&as_owner(&["create", "/app/box/job", "x", "--ttl", "1h"]))
        .await;
    dev.ok(&as_owner(&["acl", "set", "/app/box", "world:anyone:rwcda"]))
        .await;
    dev.ok(&as_owner(&[
        "acl",
        "set",
        "/app",
        "auth::rwcda",
        "world:anyone:r",
    ]))
    .await;

    // A stranger does not see the hash.
    let hidden = dev.run(&["export", "/app"]).await;
    assert_eq!(hidden.code, 5, "{}", hidden.errors);
    assert!(hidden.errors.contains("--no-acl"), "{}", hidden.errors);
    let bare = dev.ok(&["export", "/app", "--no-acl"]).await;
    assert!(!bare.contains("acl"), "{bare}");

    let whole = dev.ok(&as_owner(&["export", "/app"])).await;
    let expected = r#"{"zareba-export":1,"path":"/app"}
{"path":".","data":"","mode":"persistent","acl":["digest:owner:Vj++wdU3sMAbt+g9TyKj1BT+usI=:rwcda","world:anyone:r"]}
{"path":"box","data":"","mode":"persistent","acl":["world:anyone:rwcda"],"lifetime":"container"}
{"path":"box/job","data":"x","mode":"persistent","lifetime":{"ttlMs":3600000}}
{"end":true,"nodes":3,"bytes":1,"skippedEphemeral":0}
"#;
    assert_eq!(whole, expected);

    // Whoever the list does not let create below it is told what to do.
    let refused = dev.feed(&["import", "/copy"], &whole).await;
    assert_eq!(refused.code, 5, "{}", refused.errors);
    assert!(refused.errors.contains("--no-acl"), "{}", refused.errors);
    let copied = dev.feed(&as_owner(&["import", "/copy"]), &whole).await;
    assert_eq!(copied.code, 0, "{}", copied.errors);
    let again = dev.ok(&as_owner(&["export", "/copy"])).await;
    assert_eq!(again, whole.replace("\"/app\"", "\"/copy\""));
    let opened = dev.feed(&["import", "/open", "--no-acl"], &whole).await;
    assert_eq!(opened.code, 0, "{}", opened.errors);
    let list = dev.ok(&["acl", "get", "/open"]).await;
    assert_eq!(list, "world:anyone:rwcda\n");

    // Replacing gives the list too.
    let replace = ["import", "/open", "--existing", "replace"];
    let replaced = dev.feed(&as_owner(&replace), &whole).await;
    assert_eq!(replaced.code, 0, "{}", replaced.errors);
    assert!(
        replaced.output.contains("3 replaced"),
        "{}",
        replaced.output
    );
    assert_eq!(dev.run(&["set", "/open", "x"]).await.code, 5);
    dev.stop().await;
}
