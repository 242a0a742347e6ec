//! The program under test: built once by cargo with the profile of the tests, or the one that
//! `ZAREBA_BIN` names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the program is; it is built first if it is not up to date.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("ZAREBA_BIN") {
        Some(path) => path.into(),
        None => build(&[]),
    })
}

/// The same program with the feature `faults`: its disk fails as `ZAREBA_DISK_FAULT` says.
pub(crate) fn binary_with_faults() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = build(&["--features", "faults"]);
        // Cargo keeps one program of this name: what is tested elsewhere must not have the feature.
        let kept = built.with_file_name("zareba-faults");
        let draft = built.with_file_name(format!("zareba-faults-{}", std::process::id()));
        std::fs::copy(&built, &draft).unwrap();
        std::fs::rename(&draft, &kept).unwrap();
        build(&[]);
        kept
    })
}

/// What cargo tells a test program of its own package. Some dependencies are built anew when they
/// see it changed, and all that depends on them.
const OF_THE_TESTS: [&str; 4] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_CRATE_",
    "CARGO_BIN_",
];

fn build(features: &[&str]) -> PathBuf {
    // A test program lies in <target>/<profile folder>/deps.
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let target = folder.parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if OF_THE_TESTS.iter().any(|prefix| name.starts_with(prefix)) {
            cargo.env_remove(&*name);
        }
    }
    let status = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--package", "zareba-cli", "--profile"])
        .arg(profile)
        .args(features)
        .arg("--target-dir")
        .arg(target)
        .status()
        .unwrap();
    assert!(
        status.success(),
        "cargo cannot build the program under test"
    );
    folder.join("zareba")
}
