//! JavaScript by componentize-qjs, which puts QuickJS and the script into a component. Knows no other language.

use std::path::Path;

use super::{BUILD, read};
use crate::component::Component;
use crate::error::Result;
use crate::tool::{Start, Tool, run};
use crate::{Language, Manifest, bindings};

const COMPONENTIZE: Tool = Tool {
    name: "componentize-qjs",
    language: Language::Js,
    starts: &[Start::program("componentize-qjs")],
    install: "npm install componentize-qjs@0.4.5",
};

pub(super) fn build(folder: &Path, manifest: &Manifest) -> Result<Component> {
    let mut command = COMPONENTIZE.command(folder)?;
    let component = folder.join(BUILD).join("tool.wasm");
    command.args(["--wit", bindings::CONTRACT, "--world", "plugin"]);
    for source in &manifest.sources {
        command.arg("--js").arg(source);
    }
    // Without WASI a clock or a file is a trap; without the asynchronous ABI a call is one call.
    command.args(["--module-root", ".", "--stub-wasi", "--sync", "--minify"]);
    command.arg("--output").arg(&component);
    run(command)?;
    Component::new(read(&component)?)
}
