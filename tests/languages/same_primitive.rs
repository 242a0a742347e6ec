//! The same primitive in five languages on one ensemble: the same answers, and what each costs.

use std::path::Path;
use std::time::Duration;

use harness::{Ensemble, plugin};
use serde_json::Value;
use tokio::time::Instant;
use zareba_client::{Client, Limits};

use crate::promise::{self, LIMIT};
use crate::workshop::{new_plugin, text, zareba};

/// What a plugin is written in, and where a component of it lies that was built before, if there is one.
const LANGUAGES: [(&str, Option<&str>); 5] = [
    ("rust", None),
    ("c", Some("languages/dist/c.wasm")),
    ("js", None),
    ("python", None),
    ("go", None),
];

/// Calls of one operation that are measured.
const CALLS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_primitive_gives_the_same_answers_in_every_language() {
    let home = tempfile::tempdir().unwrap();
    // Components of interpreters are compiled for seconds on every server.
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let mut rows = vec![HEADER.map(str::to_owned)];
    for (language, built_before) in LANGUAGES {
        let Some(built) = component(home.path(), language, built_before).await else {
            continue;
        };
        let mut row = vec![
            language.to_owned(),
            built.how,
            built.bytes.len().to_string(),
        ];
        let compiled = deploy(&client, language, built.bytes).await;
        row.push(compiled.as_millis().to_string());
        for (instance, is_warm) in [("fresh", false), ("warm", true)] {
            let mount = format!("/{language}-{instance}");
            mount_at(&client, language, &mount, is_warm).await;
            promise::keeps_it(&mount, &client, ensemble.client().await).await;
            for (op, input) in [("get", "{}"), ("add", r#"{"by":0}"#)] {
                row.push(
                    median(&client, &mount, op, input)
                        .await
                        .as_micros()
                        .to_string(),
                );
            }
        }
        rows.push(row.try_into().unwrap());
    }
    print(&rows);
    ensemble.agree().await;
}

const HEADER: [&str; 8] = [
    "language",
    "component",
    "bytes",
    "compile ms",
    "fresh get us",
    "fresh add us",
    "warm get us",
    "warm add us",
];

/// A component, and how it came to be.
struct Built {
    bytes: Vec<u8>,
    how: String,
}

/// Builds the template where its tool is there, else takes what was built before; says why not, if neither.
async fn component(home: &Path, language: &str, built_before: Option<&str>) -> Option<Built> {
    let folder = new_plugin(home, &format!("tally-{language}"), language).await;
    if language == "rust" {
        // The versions that are known to be there: the workspace's, of which cargo takes what it needs.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        std::fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    }
    let said = zareba(&["plugin", "build", text(&folder)]).await;
    if said.code == 0 {
        let built: Value = serde_json::from_str(&said.output).unwrap();
        for import in built["imports"].as_array().unwrap() {
            let import = import.as_str().unwrap();
            assert!(
                import.starts_with("zareba:plugin/"),
                "{language} imports {import}"
            );
        }
        let bytes = std::fs::read(built["component"].as_str().unwrap()).unwrap();
        assert_eq!(built["bytes"].as_u64().unwrap(), bytes.len() as u64);
        let how = format!("built in {} ms", built["ms"]);
        return Some(Built { bytes, how });
    }
    // Only a tool that is not there is a reason, and it is told how to get it.
    let why = said.reason();
    assert!(
        why.contains("install it with"),
        "{language} was not built: {why}"
    );
    if let Some(path) = built_before {
        println!("{language}: not built, but taken from tests/{path}: {why}");
        let bytes = plugin::component(path);
        let how = "built before".to_owned();
        return Some(Built { bytes, how });
    }
    println!("{language}: skipped: {why}");
    None
}

/// Pushes and activates a component; returns how long the server has compiled it.
async fn deploy(client: &Client, language: &str, bytes: Vec<u8>) -> Duration {
    let mut sent = Instant::now();
    let pushed = client.push_plugin(language, bytes, |_, _| sent = Instant::now());
    let sha256 = pushed.await.unwrap();
    let compiled = sent.elapsed();
    plugin::activate(client, language, sha256).await;
    compiled
}

async fn mount_at(client: &Client, language: &str, mount: &str, warm: bool) {
    let limits = Limits {
        warm,
        // A busy machine must not end a call that is not meant to end.
        time_ms_max: 5_000,
        ..Limits::default()
    };
    let config = [("limit".to_owned(), LIMIT.to_string())].into();
    let mounted = client.mount_plugin(language, mount, config, limits);
    mounted.await.unwrap();
}

/// The median time of a call, from the client and back.
async fn median(client: &Client, mount: &str, op: &str, input: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..CALLS {
        let start = Instant::now();
        client.call(mount, op, input.to_owned()).await.unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    times[CALLS / 2]
}

fn print(rows: &[[String; 8]]) {
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}
