//! Builds the guests: each plugin crate to a module, the module to a component, the component to its
//! committed place. The bytes are the same wherever this runs. It must never know what a guest does.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use zareba_authoring::encode_module;
use zareba_authoring::rust::{TARGET, flags, set_flags, target_is_installed};

use crate::cargo::root;

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

/// Builds every guest and writes it, or, to check, compares it with what is committed.
pub(crate) fn run(check: bool) -> Result<()> {
    if !target_is_installed(&root())? {
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
    set_flags(&mut command, &flags(&root(), "zareba")?);
    let status = command.status().context("starting cargo")?;
    if !status.success() {
        bail!("building the guests ended with {status}");
    }
    Ok(())
}

fn encode(package: &str) -> Result<Vec<u8>> {
    let module = target_dir()
        .join(TARGET)
        .join("guest")
        .join(format!("{}.wasm", package.replace('-', "_")));
    let module = fs::read(&module).with_context(|| module.display().to_string())?;
    Ok(encode_module(&module)?)
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

#[expect(clippy::print_stdout, reason = "a program's output")]
fn say(line: &str) {
    println!("{line}");
}
