//! What an author is told, and the loop of writing and trying.

use harness::{Ensemble, Process, plugin};
use serde_json::Value;
use zareba_client::Client;

use crate::workshop::{new_plugin, plugin_by_a_false_tool, text, write_script, zareba};

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_imports_wasi_is_no_plugin() {
    let home = tempfile::tempdir().unwrap();
    let wasi = plugin::component(plugin::WASI);
    let folder = plugin_by_a_false_tool(home.path(), &wasi).await;
    let said = zareba(&["plugin", "build", text(&folder)]).await;
    assert_eq!(said.code, 8, "{}", said.errors);
    for words in ["wasi:cli/environment", "zareba:plugin/env"] {
        assert!(said.errors.contains(words), "{}", said.errors);
    }
    assert!(!folder.join("build/mine.wasm").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_is_told_what_is_wrong_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let folder = new_plugin(home.path(), "tally", "c").await;
    let there = text(&folder);
    let empty = text(home.path());
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["plugin", "new", "tally", there, "--language", "c"],
            4,
            "is not empty",
        ),
        (
            &["plugin", "new", "Tally", "--language", "c"],
            2,
            "a letter first",
        ),
        (
            &["plugin", "new", "tally", "--language", "cobol"],
            2,
            "python",
        ),
        (&["plugin", "build", empty], 2, "zareba plugin new"),
        (&["plugin", "dev", empty], 2, "zareba plugin new"),
    ];
    for (words, code, says) in cases {
        let said = zareba(words).await;
        assert_eq!(said.code, code, "{words:?}: {}", said.errors);
        assert!(said.errors.contains(says), "{words:?}: {}", said.errors);
        assert_eq!(said.output, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_author_writes_is_built_deployed_and_mounted_until_interrupted() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let barrier = plugin::component("../plugins/dist/barrier.wasm");
    let counter = plugin::component("../plugins/dist/counter.wasm");
    let folder = plugin_by_a_false_tool(ensemble.folder(), &barrier).await;
    let profile = ensemble.profile_file();
    let words = [
        "--output",
        "json",
        "--profile",
        text(&profile),
        "plugin",
        "dev",
        text(&folder),
    ];
    let mut author = Process::start(
        "zareba plugin dev",
        &words,
        &ensemble.folder().join("author"),
    );

    let first = round(&mut author).await;
    assert_eq!(names(&first), ["built", "active", "mounted", "watching"]);
    assert_eq!(first[2]["path"], "/mine");
    assert_eq!(
        ask(&client, "state", r#"{"name":"x"}"#).await["is_set"],
        false
    );

    // What cannot be built leaves in service what was.
    write_script(&folder, b"broken");
    let broken = round(&mut author).await;
    assert_eq!(names(&broken), ["changed", "failed", "watching"]);
    assert_eq!(broken[0]["files"][0], "plugin.js");
    assert_eq!(
        ask(&client, "state", r#"{"name":"x"}"#).await["is_set"],
        false
    );

    write_script(&folder, &counter);
    let mended = round(&mut author).await;
    assert_eq!(
        names(&mended),
        ["changed", "built", "active", "mounted", "watching"]
    );
    assert_eq!(
        (&mended[3]["new"], &mended[3]["configured"]),
        (&false.into(), &false.into())
    );
    assert_eq!(
        ask(&client, "add", r#"{"name":"x","by":90}"#).await["value"],
        90
    );

    // What the manifest says of the mount holds at once.
    let manifest = folder.join("plugin.toml");
    let settings = std::fs::read_to_string(&manifest).unwrap() + "max = \"99\"\n";
    std::fs::write(&manifest, settings).unwrap();
    let kept = round(&mut author).await;
    assert_eq!(
        names(&kept),
        ["changed", "built", "active", "mounted", "watching"]
    );
    assert_eq!(kept[2]["new"], false);
    assert_eq!(kept[3]["configured"], true);
    let over = client.call("/mine", "add", r#"{"name":"x","by":10}"#).await;
    let refused = over.unwrap_err();
    assert!(refused.to_string().contains("99"), "{refused}");

    author.signal("INT");
    let ended = author.end().await;
    assert!(ended.success(), "{ended}");
}

/// The events up to the next wait for a change.
async fn round(author: &mut Process) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let Some(line) = author.line().await else {
            author.show_log();
            panic!("it has ended after {events:?}");
        };
        let event: Value = serde_json::from_str(&line).unwrap();
        let is_last = event["event"] == "watching";
        events.push(event);
        if is_last {
            return events;
        }
    }
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

async fn ask(client: &Client, op: &str, input: &'static str) -> Value {
    client.sync().await.unwrap();
    let answer = client.call("/mine", op, input).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}
