//! Packs what new plugins are made of into the library: the templates, the contract, the SDK, what Go's glue stands on,
//! and the WASI that answers inside a component. Must never change what it packs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let own = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = own.join("../..");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let mut code = String::new();
    for (name, folder) in [
        ("TEMPLATES", own.join("templates")),
        ("GO", own.join("go")),
        ("CONTRACT", root.join("wit")),
        ("SDK", root.join("guest-sdk")),
    ] {
        rerun_if_changed(&folder);
        let mut files = Vec::new();
        list(&folder, &mut files)?;
        files.sort();
        pack(name, &folder, &files, &mut code)?;
    }
    let workspace = root.join("Cargo.toml");
    rerun_if_changed(&workspace);
    let text = fs::read_to_string(&workspace)?;
    writeln!(code, "pub(crate) const WORKSPACE: &str = {text:?};").map_err(io::Error::other)?;
    fs::write(out.join("packed.rs"), code)?;

    let adapter = own.join("src/wasi.wat");
    rerun_if_changed(&adapter);
    let module = wat::parse_file(&adapter).map_err(io::Error::other)?;
    fs::write(out.join("wasi.wasm"), module)
}

/// Every file below a folder.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// One constant: the files' paths below the folder, and their texts.
fn pack(name: &str, folder: &Path, files: &[PathBuf], code: &mut String) -> io::Result<()> {
    let mut line = |text: String| writeln!(code, "{text}").map_err(io::Error::other);
    line(format!("pub(crate) const {name}: &[(&str, &str)] = &["))?;
    for file in files {
        let path = file.strip_prefix(folder).map_err(io::Error::other)?;
        let text = fs::read_to_string(file)?;
        line(format!("({:?}, {text:?}),", path.to_string_lossy()))?;
    }
    line("];".to_owned())
}

fn rerun_if_changed(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|e| io::Error::other(format!("{name}: {e}")))
}
