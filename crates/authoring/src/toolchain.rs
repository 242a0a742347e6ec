//! From a folder to a component, by the tools of its language. Must never know what a template holds.

mod c;
mod go;
mod js;
mod python;
pub mod rust;

use std::fs;
use std::path::Path;

use crate::component::Component;
use crate::error::{AuthoringError, Result};
use crate::{Language, Manifest};

/// Where builds write, in a plugin's folder; glue, which is for the author's eyes, has a folder of its own.
const BUILD: &str = "build";

/// Builds a folder's plugin. The language's tools say on standard error what they do.
///
/// # Errors
///
/// A tool is missing or fails, or what comes out is no plugin.
pub fn build(folder: &Path, manifest: &Manifest) -> Result<Component> {
    let folder = std::path::absolute(folder).map_err(AuthoringError::io("find", folder))?;
    let out = folder.join(BUILD);
    fs::create_dir_all(&out).map_err(AuthoringError::io("make the folder", &out))?;
    match manifest.language {
        Language::Rust => rust::build(&folder, manifest),
        Language::C => c::build(&folder, manifest),
        Language::Js => js::build(&folder, manifest),
        Language::Python => python::build(&folder, manifest),
        Language::Go => go::build(&folder),
    }
}

/// Reads what a tool has written.
fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(AuthoringError::io("read", path))
}
