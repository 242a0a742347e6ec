//! Python by componentize-py, which puts CPython and the modules into a component. Knows no other language.

use std::path::Path;

use super::{BUILD, read};
use crate::component::Component;
use crate::error::Result;
use crate::tool::{Start, Tool, run};
use crate::{Language, Manifest, bindings};

const COMPONENTIZE: Tool = Tool {
    name: "componentize-py",
    language: Language::Python,
    starts: &[Start::program("componentize-py")],
    install: "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1",
};

pub(super) fn build(folder: &Path, manifest: &Manifest) -> Result<Component> {
    let mut command = COMPONENTIZE.command(folder)?;
    let component = folder.join(BUILD).join("tool.wasm");
    command.args([
        "--wit-path",
        bindings::CONTRACT,
        "--world",
        "plugin",
        "componentize",
    ]);
    // Without WASI a clock or a file is a trap.
    command.args(["--stub-wasi", "--python-path", "."]);
    for source in &manifest.sources {
        // A module's name is its file's.
        command.arg(
            source
                .with_extension("")
                .to_string_lossy()
                .replace('/', "."),
        );
    }
    command.arg("--output").arg(&component);
    run(command)?;
    Component::new(read(&component)?)
}
