//! `zareba log` tells what a stopped server's data holds, finds damage, and changes nothing.

use std::path::{Path, PathBuf};
use std::process::Output;

use harness::{Ensemble, Writer, binary, within};
use serde_json::Value;

async fn zareba(arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(binary());
    let output = command.args(arguments).kill_on_drop(true).output();
    within("zareba log to end", output).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_servers_log_is_dumped_and_verified_without_a_change() {
    let mut ensemble = Ensemble::start(1).await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(50).await;
    let data = ensemble.data(1);
    let dir = data.to_str().unwrap().to_owned();

    let refused = zareba(&["log", "verify", "--data", &dir]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("stop that server first"));

    let written = writer.stop().await;
    ensemble.stop(1).await;
    let before = contents(&data);
    let dump = zareba(&["--output", "json", "log", "dump", "--data", &dir]).await;
    assert!(dump.status.success(), "{}", text(&dump.stderr));
    let lines: Vec<Value> = text(&dump.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for path in &written.acknowledged {
        let effect = Value::from(format!("create {path}"));
        let is_there = |line: &Value| {
            let effects = line["effects"].as_array();
            effects.is_some_and(|effects| effects.contains(&effect))
        };
        assert!(lines.iter().any(is_there), "{path} is not in the dump");
    }
    let summary = lines.last().unwrap();
    assert_eq!(summary["kind"], "summary");
    assert_eq!(summary["findings"], Value::Array(Vec::new()), "{summary}");
    let middle = lines[lines.len() / 2]["zxid"].as_str().unwrap();
    let some = [
        "log", "dump", "--data", &dir, "--from", middle, "--limit", "3",
    ];
    let some = zareba(&[&["--output", "json"], &some[..]].concat()).await;
    assert_eq!(text(&some.stdout).lines().count(), 4);

    let wrong = zareba(&["log", "dump", "--data", &dir, "--from", "12"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("expected EPOCH.COUNTER"));
    let nothing = ensemble.folder().to_str().unwrap().to_owned();
    let nothing = zareba(&["log", "verify", "--data", &nothing]).await;
    assert_eq!(nothing.status.code(), Some(2));

    let whole = zareba(&["log", "verify", "--data", &dir]).await;
    assert!(whole.status.success(), "{}", text(&whole.stdout));
    assert!(text(&whole.stdout).contains("everything is whole"));
    assert_eq!(contents(&data), before);

    let (segment, mut bytes) = before
        .iter()
        .find(|(path, _)| path.to_string_lossy().contains("/log/log-"))
        .unwrap()
        .clone();
    bytes[3000] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    let damaged = zareba(&["log", "verify", "--data", &dir]).await;
    assert_eq!(damaged.status.code(), Some(1));
    let said = text(&damaged.stdout);
    for words in ["DAMAGE", "is damaged at byte", "does not vote", "to do:"] {
        assert!(said.contains(words), "`{words}` is not said: {said}");
    }
}
