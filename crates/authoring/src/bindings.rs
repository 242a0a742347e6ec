//! Glue between a language and the contract, generated from the folder's own `wit/`. Must never know what
//! a plugin does with it.

use std::fs;
use std::path::Path;

use wit_bindgen_core::Files;
use wit_bindgen_core::WorldGenerator;
use wit_bindgen_core::wit_parser::Resolve;

use crate::error::{AuthoringError, Result};
use crate::{packed, template};

/// The folder of the contract in a plugin's folder.
pub(crate) const CONTRACT: &str = "wit";

/// The folder of glue in a plugin's folder; in Go it is a part of import paths.
pub(crate) const GLUE: &str = "bindings";

/// Writes `plugin.h`, `plugin.c` and an object with the world's type.
pub(crate) fn write_c(plugin: &Path, to: &Path) -> Result<()> {
    generate(wit_bindgen_c::Opts::default().build(), plugin, to)
}

/// Writes a package for every interface that `module` imports, what they stand on, and a program that the host
/// calls and that calls `module`.
pub(crate) fn write_go(plugin: &Path, to: &Path, module: &str) -> Result<()> {
    let options = wit_bindgen_go::Opts {
        // gofmt would be one more tool to have.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(format!("{module}/{GLUE}")),
        quiet: true,
        ..wit_bindgen_go::Opts::default()
    };
    generate(options.build(), plugin, to)?;
    for (path, text) in packed::GO {
        let text = text.replace("{{module}}", module);
        write(&to.join(template::real_name(path)), text.as_bytes())?;
    }
    Ok(())
}

fn generate(mut generator: Box<dyn WorldGenerator>, plugin: &Path, to: &Path) -> Result<()> {
    let contract = plugin.join(CONTRACT);
    let failed = |error: &dyn std::fmt::Display| AuthoringError::Bindings {
        path: contract.clone(),
        why: format!("{error:#}"),
    };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&contract).map_err(|e| failed(&e))?;
    let world = resolve
        .select_world(&[package], None)
        .map_err(|e| failed(&e))?;
    let mut files = Files::default();
    generator
        .generate(&mut resolve, world, &mut files)
        .map_err(|e| failed(&e))?;
    for (name, content) in files.iter() {
        write(&to.join(name), content)?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(AuthoringError::io("make the folder", folder))?;
    }
    fs::write(path, content).map_err(AuthoringError::io("write", path))
}
