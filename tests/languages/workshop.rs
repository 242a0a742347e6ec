//! The author's commands: `zareba plugin new` and `build`, and a tool that is none. Must never build anything by
//! itself.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::binary;
use serde_json::Value;
use tokio::process::Command;

/// What a command has said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Said {
    /// Why it has failed; behind what its tools had to say.
    pub(crate) fn reason(&self) -> String {
        let last = self.errors.lines().last().unwrap_or_default();
        match serde_json::from_str::<Value>(last) {
            Ok(said) => said["error"].as_str().unwrap().trim_end().to_owned(),
            Err(_) => self.errors.clone(),
        }
    }
}

/// Runs `zareba --output json` with these words, for as long as it takes: compilers are slow.
pub(crate) async fn zareba(words: &[&str]) -> Said {
    let output = Command::new(binary())
        .args(["--output", "json"])
        .args(words)
        // Crates that all plugins in Rust are made of are compiled once, not once a test.
        .env("CARGO_TARGET_DIR", built_by_cargo())
        .env_remove("ZAREBA_PROFILE")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    Said {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The same, which must go well and print one JSON value.
pub(crate) async fn zareba_ok(words: &[&str]) -> Value {
    let said = zareba(words).await;
    assert_eq!(said.code, 0, "{words:?} failed: {}", said.errors);
    serde_json::from_str(&said.output).unwrap()
}

/// Beside the profile's folder in the target directory, where this program lies two levels deeper.
fn built_by_cargo() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("languages")
}

/// A new plugin in a folder of its own.
pub(crate) async fn new_plugin(home: &Path, name: &str, language: &str) -> PathBuf {
    let folder = home.join(name);
    let made = zareba_ok(&["plugin", "new", name, text(&folder), "--language", language]).await;
    assert_eq!(made["language"], language);
    folder
}

/// A plugin whose "script" is a component, and whose tool copies it, unless the script is the word `broken`.
pub(crate) async fn plugin_by_a_false_tool(home: &Path, component: &[u8]) -> PathBuf {
    let folder = new_plugin(home, "mine", "js").await;
    let tool = folder.join("node_modules/.bin/componentize-qjs");
    std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
    std::fs::write(&tool, FALSE_TOOL).unwrap();
    std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
    write_script(&folder, component);
    folder
}

const FALSE_TOOL: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    --js) script=$2 ;;
    --output) out=$2 ;;
    esac
    shift
done
if [ "$(head -c 6 "$script" | tr -d '\0')" = broken ]; then
    echo "the script is broken" >&2
    exit 3
fi
exec cp "$script" "$out"
"#;

/// What an author does: the file is another one from one moment to the next.
pub(crate) fn write_script(folder: &Path, content: &[u8]) {
    std::fs::write(folder.join("plugin.js"), content).unwrap();
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
