//! The languages that there are templates for. Knows no tool.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, with the guest SDK.
    Rust,
    /// C, with generated glue.
    C,
    /// JavaScript, on QuickJS.
    Js,
    /// Python, on CPython.
    Python,
    /// Go, with generated glue.
    Go,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::C, Self::Js, Self::Python, Self::Go];

    /// Their names, as people choose one.
    pub(crate) const NAMES: &str = "rust|c|js|python|go";

    /// Its name in `plugin.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Js => "js",
            Self::Python => "python",
            Self::Go => "go",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
