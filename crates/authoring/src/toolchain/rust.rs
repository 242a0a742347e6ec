//! Rust by cargo. Knows no other language.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::component::{Component, Wasi};
use crate::error::{AuthoringError, Result};
use crate::tool::run;
use crate::{Language, Manifest};

/// What Rust guests are compiled for: it has no system, and so nothing to take away.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Stack of a guest, bytes: less than the default megabyte, so that a fresh instance touches few
/// pages; enough for JSON as deep as its parser goes.
const STACK_BYTES: u32 = 64 << 10;

/// Asks the compiler itself, so that it works without rustup too.
///
/// # Errors
///
/// There is no compiler.
pub fn target_is_installed(folder: &Path) -> Result<bool> {
    let library = rustc(folder, &["--print", "target-libdir", "--target", TARGET])?;
    Ok(Path::new(&library).is_dir())
}

/// Compiler flags for what lies in `folder`, which is called `name` in the bytes: no path of this machine,
/// and a small stack below the data, where an overflow traps.
///
/// # Errors
///
/// There is no compiler, or nowhere that cargo keeps its things.
pub fn flags(folder: &Path, name: &str) -> Result<Vec<String>> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let home =
        home.ok_or_else(|| missing("a home directory for cargo", "export CARGO_HOME=..."))?;
    let sysroot = rustc(folder, &["--print", "sysroot"])?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    Ok(vec![
        remap(folder, name),
        remap(&home, "cargo"),
        remap(Path::new(&sysroot), "rust"),
        "-Clink-arg=--stack-first".into(),
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
    ])
}

/// Gives a cargo command the flags of guests, and none that a developer sets for native builds: they must not
/// leak into the bytes.
pub fn set_flags(cargo: &mut Command, flags: &[String]) {
    cargo
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
}

pub(super) fn build(folder: &Path, manifest: &Manifest) -> Result<Component> {
    if !target_is_installed(folder)? {
        let install = format!("rustup target add {TARGET}");
        return Err(missing(&format!("the target {TARGET}"), &install));
    }
    let mut cargo = Command::new(program("CARGO", "cargo"));
    cargo
        .current_dir(folder)
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics");
    set_flags(&mut cargo, &flags(folder, &manifest.name)?);
    let messages = run(cargo)?;
    let module = find_module(&String::from_utf8_lossy(&messages), folder);
    let module = module.ok_or_else(|| AuthoringError::Encode(NO_MODULE.to_owned()))?;
    Component::of_module(&super::read(&module)?, Wasi::Refused)
}

const NO_MODULE: &str = "cargo has built no cdylib; Cargo.toml says `crate-type = [\"cdylib\", \"rlib\"]` under \
                         [lib] in a plugin";

/// The module among what cargo says it has made of this folder's package.
fn find_module(messages: &str, folder: &Path) -> Option<PathBuf> {
    let own = fs::canonicalize(folder.join("Cargo.toml")).ok()?;
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut of_own = messages.filter(|message| {
        let manifest = message.get("manifest_path").and_then(Value::as_str);
        manifest
            .and_then(|path| fs::canonicalize(path).ok())
            .as_ref()
            == Some(&own)
    });
    of_own.find_map(|message| {
        let files = message.get("filenames")?.as_array()?;
        let mut files = files.iter().filter_map(Value::as_str);
        files
            .find(|file| file.ends_with(".wasm"))
            .map(PathBuf::from)
    })
}

fn rustc(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program("RUSTC", "rustc"));
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.map_err(|_| missing("rustc", "curl https://sh.rustup.rs -sSf | sh"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The one that the process was started by, or the path's.
fn program(variable: &str, name: &str) -> std::ffi::OsString {
    env::var_os(variable).unwrap_or_else(|| name.into())
}

fn missing(tool: &str, install: &str) -> AuthoringError {
    AuthoringError::MissingTool {
        tool: tool.to_owned(),
        language: Language::Rust,
        searched: "asked the compiler of the folder".to_owned(),
        install: install.to_owned(),
    }
}
