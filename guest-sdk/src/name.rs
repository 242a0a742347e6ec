//! Names that callers give to things: each becomes one part of a path. Knows no recipe.

use crate::Fault;
use crate::error::{code, refuse};

/// Longest name, bytes: a file name's length, ample for a name.
const BYTES_MAX: usize = 255;

/// Refuses what cannot be one part of a path, and what begins with `@`: such names are the recipes' own.
pub fn check(what: &str, name: &str) -> Result<(), Fault> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > BYTES_MAX {
        "is longer than 255 bytes"
    } else if name.contains('/') || name.contains(char::is_control) {
        "has a slash or a control character"
    } else if name.starts_with('@') || name == "." || name == ".." {
        "is reserved"
    } else {
        return Ok(());
    };
    let short = name.get(..64).unwrap_or(name);
    let message = format!("the {what}'s name {why}: {short:?}");
    Err(refuse(code::BAD_ARGUMENTS, message))
}

/// Refuses a text that is too long to be kept in the tree.
pub fn check_size(what: &str, text: &str, bytes_max: usize) -> Result<(), Fault> {
    if text.len() > bytes_max {
        let message = format!("{what} has {} bytes; at most {bytes_max}", text.len());
        return Err(refuse(code::BAD_ARGUMENTS, message));
    }
    Ok(())
}
