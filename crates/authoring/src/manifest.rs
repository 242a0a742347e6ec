//! `plugin.toml`: what a folder holds, and how its plugin wants to be mounted. Knows no ensemble.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Language;
use crate::error::{AuthoringError, Result};

/// The manifest's name.
pub const MANIFEST: &str = "plugin.toml";

/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 64;

/// What `plugin.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The plugin's name in an ensemble, and its component's.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// Source files, relative to the folder: all of them in C, the first one in JavaScript and Python. Cargo
    /// and Go find theirs.
    #[serde(default)]
    pub sources: Vec<PathBuf>,
    /// How it wants to be mounted.
    #[serde(default)]
    pub mount: Mount,
}

/// How `zareba plugin dev` mounts a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where; the plugin's name below the root if it is left out.
    #[serde(default)]
    pub path: Option<String>,
    /// What a call runs in.
    #[serde(default)]
    pub instance: Instance,
    /// How long one call may take, milliseconds; the server's default if it is left out.
    #[serde(default)]
    pub time_ms: Option<u32>,
    /// How much memory one call may have, MiB; the server's default if it is left out.
    #[serde(default)]
    pub memory_mib: Option<u32>,
    /// What the plugin can read with `env.config`.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// What a call runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instance {
    /// An instance of its own: nothing of an earlier call is left in memory.
    #[default]
    Fresh,
    /// One that has carried out other calls: faster for what is slow to start.
    Warm,
}

impl Manifest {
    /// Reads a folder's manifest.
    ///
    /// # Errors
    ///
    /// There is none, or it makes no sense.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(AuthoringError::NoManifest(folder.to_owned()));
            }
            text => text.map_err(AuthoringError::io("read", &path))?,
        };
        Self::parse(&text).map_err(|why| AuthoringError::Manifest { path, why })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        check_name(&manifest.name).map_err(|e| e.to_string())?;
        let (language, sources) = (manifest.language, manifest.sources.len());
        let fits = match language {
            Language::Rust | Language::Go => sources == 0,
            Language::Js | Language::Python => sources == 1,
            Language::C => sources > 0,
        };
        if !fits {
            return Err(format!(
                "sources names {sources} files; for {language} it names {}",
                match language {
                    Language::Rust => "none, for Cargo.toml says where they are",
                    Language::Go => "none, for the plugin is the package in its folder",
                    Language::Js | Language::Python => "the one that the others are imported from",
                    Language::C => "all that are compiled",
                }
            ));
        }
        Ok(manifest)
    }

    /// Where it wants to be mounted.
    pub fn mount_path(&self) -> String {
        let path = self.mount.path.clone();
        path.unwrap_or_else(|| format!("/{}", self.name))
    }
}

/// Names that plugins, crates, packages and modules can all have.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(is_plain);
    if is_name {
        return Ok(());
    }
    Err(AuthoringError::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_what_to_build_and_how_to_mount_it() {
        let text = "name = \"tally\"\nlanguage = \"c\"\nsources = [\"a.c\", \"b.c\"]\n\
                    [mount]\ninstance = \"warm\"\n[mount.config]\nlimit = \"9\"\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.language, Language::C);
        assert_eq!(manifest.sources.len(), 2);
        assert_eq!(manifest.mount.instance, Instance::Warm);
        assert_eq!(manifest.mount.config["limit"], "9");
        assert_eq!(manifest.mount_path(), "/tally");
    }

    #[test]
    fn a_manifest_that_makes_no_sense_is_refused_with_what_is_wrong() {
        for (text, says) in [
            ("language = \"c\"", "name"),
            ("name = \"a\"\nlanguage = \"cobol\"", "cobol"),
            ("name = \"a\"\nlanguage = \"rust\"\nwarm = true", "warm"),
            ("name = \"a\"\nlanguage = \"js\"", "names 0 files"),
            (
                "name = \"A b\"\nlanguage = \"rust\"",
                "no name for a plugin",
            ),
        ] {
            let why = Manifest::parse(text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn a_folder_without_a_manifest_is_told_how_to_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("zareba plugin new"), "{error}");
    }

    #[test]
    fn names_are_those_that_every_language_can_use() {
        for name in ["a", "rate-limit", "v2"] {
            check_name(name).unwrap();
        }
        let long = "a".repeat(65);
        for name in ["", "-a", "a-", "2a", "Tally", "a_b", "a/b", "..", &long] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
