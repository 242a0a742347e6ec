//! Builds the guests: each plugin crate to a module, the module to a component, the component to its
//! committed place. The bytes are the same wherever this runs. It must never know what a guest does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use wit_component::ComponentEncoder;

use crate::cargo::root;

const TARGET: &str = "wasm32-unknown-unknown";

/// Crates that become components, besides the standard recipes: package and committed file.
const TEST_GUESTS: [(&str, &str); 1] = [(
    "zareba-tests-guests-fixtures",
    "tests/guests/dist/fixtures.wasm",
)];

/// Components written as text: source and committed file.
const TEXTS: [(&str, &str); 2] = [
    ("tests/guests/wasi.wat", "tests/guests/dist/wasi.wasm"),
    (
        "tests/guests/wrong-types.wat",
        "tests/guests/dist/wrong-types.wasm",
    ),
];

/// Stack of a guest, bytes: less than the default megabyte, so that a fresh instance touches few
/// pages; enough for JSON as deep as its parser goes.
const STACK_BYTES: u32 = 64 << 10;

/// Builds every guest and writes it, or, to check, compares it with what is committed.
pub(crate) fn run(check: bool) -> Result<()> {
    if !target_is_installed()? {
        let fix = format!("`rustup target add {TARGET}`");
        if check {
            say(&format!(
                "skipped: the guests were not rebuilt, for there is no {TARGET}; {fix}"
            ));
            return Ok(());
        }
        bail!("guests are built for {TARGET}, which is not installed: {fix}");
    }
    let guests = guests()?;
    build_modules(&guests, check)?;
    let mut stale = Vec::new();
    for (package, file) in &guests {
        let component = encode(package).with_context(|| format!("{package} to a component"))?;
        settle(file, &component, check, &mut stale)?;
    }
    for (text, file) in TEXTS {
        let component = wat::parse_file(root().join(text)).with_context(|| text.to_owned())?;
        settle(file, &component, check, &mut stale)?;
    }
    if !stale.is_empty() {
        bail!(
            "not what the sources give: {}. Run `cargo xtask plugins` and commit what it writes.",
            stale.join(", ")
        );
    }
    Ok(())
}

/// Every crate in `plugins/`, and the guests of the tests.
fn guests() -> Result<Vec<(String, String)>> {
    let folder = root().join("plugins");
    let mut guests = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let file = format!("plugins/dist/{name}.wasm");
            guests.push((format!("zareba-plugin-{name}"), file));
        }
    }
    let of_tests = TEST_GUESTS.map(|(package, file)| (package.to_owned(), file.to_owned()));
    guests.extend(of_tests);
    guests.sort();
    Ok(guests)
}

/// Asks the compiler itself, so that it works without rustup too.
fn target_is_installed() -> Result<bool> {
    let library = rustc(&["--print", "target-libdir", "--target", TARGET])?;
    Ok(Path::new(&library).is_dir())
}

fn build_modules(guests: &[(String, String)], check: bool) -> Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .current_dir(root())
        .args(["build", "--profile", "guest"])
        .args(["--target", TARGET])
        .arg("--target-dir")
        .arg(target_dir());
    for (package, _) in guests {
        command.args(["--package", package]);
    }
    if check {
        // Other versions of what a guest is made of would be other bytes.
        command.arg("--locked");
    }
    // What a developer sets for native builds must not leak into the bytes.
    command
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\u{1f}"));
    let status = command.status().context("starting cargo")?;
    if !status.success() {
        bail!("building the guests ended with {status}");
    }
    Ok(())
}

/// Compiler flags: no path of this machine in the bytes, and a small stack below the data, where
/// an overflow traps.
fn flags() -> Result<Vec<String>> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir()
            .context("no home directory; set CARGO_HOME")?
            .join(".cargo"),
    };
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    Ok(vec![
        remap(&root(), "zareba"),
        remap(&home, "cargo"),
        remap(Path::new(&rustc(&["--print", "sysroot"])?), "rust"),
        "-Clink-arg=--stack-first".into(),
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
    ])
}

fn encode(package: &str) -> Result<Vec<u8>> {
    let module = target_dir()
        .join(TARGET)
        .join("guest")
        .join(format!("{}.wasm", package.replace('-', "_")));
    let module = fs::read(&module).with_context(|| module.display().to_string())?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(ComponentEncoder::encode)
        .map_err(|e| anyhow::anyhow!("{e:#}"))
}

fn settle(file: &str, component: &[u8], check: bool, stale: &mut Vec<String>) -> Result<()> {
    let path = root().join(file);
    let same = fs::read(&path).is_ok_and(|committed| committed == component);
    let kib = component.len().div_ceil(1024);
    match (same, check) {
        (true, _) => say(&format!("{file}: {kib} KiB, unchanged")),
        (false, true) => stale.push(file.to_owned()),
        (false, false) => {
            fs::write(&path, component).with_context(|| file.to_owned())?;
            say(&format!("{file}: {kib} KiB, written"));
        }
    }
    Ok(())
}

fn target_dir() -> PathBuf {
    root().join("target").join("guests")
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(root()).output();
    let output = output.context("starting rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[expect(clippy::print_stdout, reason = "a program's output")]
fn say(line: &str) {
    println!("{line}");
}
