//! C by zig's clang, which brings a C library along. Knows no other language.

use std::path::Path;

use super::{BUILD, read};
use crate::component::{Component, Wasi};
use crate::error::Result;
use crate::tool::{Start, Tool, run};
use crate::{Language, Manifest, bindings};

const ZIG: Tool = Tool {
    name: "zig",
    language: Language::C,
    starts: &[
        Start::program("zig"),
        Start {
            program: "python3",
            with: &["-m", "ziglang"],
            probe: &["-m", "ziglang", "version"],
        },
    ],
    install: "python3 -m venv .venv && .venv/bin/pip install ziglang==0.16.0",
};

/// As small as clang makes it, a reactor: a library whose functions are called, not a program that runs.
const FLAGS: [&str; 7] = [
    "cc",
    "-target",
    "wasm32-wasi",
    "-mexec-model=reactor",
    "-Os",
    "-s",
    "-Wl,-z,stack-size=65536",
];

pub(super) fn build(folder: &Path, manifest: &Manifest) -> Result<Component> {
    let mut command = ZIG.command(folder)?;
    let glue = folder.join(bindings::GLUE);
    bindings::write_c(folder, &glue)?;
    let module = folder.join(BUILD).join("module.wasm");
    command
        .args(FLAGS)
        .arg("-I")
        .arg(&glue)
        .args(&manifest.sources);
    command.args(["plugin.c", "plugin_component_type.o"].map(|name| glue.join(name)));
    command.arg("-o").arg(&module);
    run(command)?;
    Component::of_module(&read(&module)?, Wasi::Inside)
}
