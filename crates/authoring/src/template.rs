//! New folders: a template's files with the plugin's name in them, the contract, and for Rust the SDK. Knows
//! nothing of building.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Language;
use crate::error::{AuthoringError, Result};
use crate::{bindings, manifest, packed, sdk};

/// Ends the name of a template's file whose own name would mean something in this repository.
const SUFFIX: &str = ".tmpl";

/// Stands for the dot of a file that is not shown.
const DOT: &str = "dot-";

/// Where the SDK lies in a new folder.
const SDK_FOLDER: &str = "sdk";

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct NewPlugin<'a> {
    /// The plugin's name.
    pub name: &'a str,
    /// What it will be written in.
    pub language: Language,
    /// The folder; it is made if it is not there.
    pub folder: &'a Path,
    /// Use the SDK that lies there instead of a copy; for Rust.
    pub sdk: Option<&'a Path>,
}

/// Writes a new plugin's folder, and returns its files, relative to it.
///
/// # Errors
///
/// The name is none, the folder holds something, or the file system refuses.
pub fn write_new(new: NewPlugin<'_>) -> Result<Vec<PathBuf>> {
    manifest::check_name(new.name)?;
    check_is_free(new.folder)?;
    let sdk = match new.sdk {
        Some(folder) => Some(find_sdk(folder)?),
        None => None,
    };
    let sdk_path = sdk.as_deref().unwrap_or(SDK_FOLDER);
    let mut written = Vec::new();
    let mut write = |path: String, text: &str| {
        let file = new.folder.join(&path);
        written.push(path.into());
        write_file(&file, text)
    };
    let of_language = format!("{}/", new.language.name());
    for (path, text) in packed::TEMPLATES {
        if let Some(path) = path.strip_prefix(&of_language) {
            let text = text
                .replace("{{name}}", new.name)
                .replace("{{sdk}}", sdk_path);
            write(real_name(path), &text)?;
        }
    }
    for (path, text) in packed::CONTRACT {
        write(format!("{}/{path}", bindings::CONTRACT), text)?;
    }
    if new.language == Language::Rust && sdk.is_none() {
        for (path, text) in sdk::files() {
            write(format!("{SDK_FOLDER}/{path}"), &text)?;
        }
    }
    written.sort();
    Ok(written)
}

/// The name that a packed file has in a plugin's folder.
pub(crate) fn real_name(path: &str) -> String {
    let path = path.strip_suffix(SUFFIX).unwrap_or(path);
    path.strip_prefix(DOT)
        .map_or_else(|| path.to_owned(), |rest| format!(".{rest}"))
}

fn check_is_free(folder: &Path) -> Result<()> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(AuthoringError::FolderInUse(folder.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(AuthoringError::FolderInUse(folder.to_owned()))
        }
        Err(error) => Err(AuthoringError::io("look into", folder)(error)),
    }
}

/// Where that SDK is, seen from anywhere.
fn find_sdk(folder: &Path) -> Result<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap_or_default();
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let absolute = fs::canonicalize(folder).ok();
    let absolute = absolute.and_then(|path| path.to_str().map(str::to_owned));
    let is_sdk = name.and_then(toml::Value::as_str) == Some(sdk::PACKAGE);
    absolute
        .filter(|_| is_sdk)
        .ok_or_else(|| AuthoringError::NotTheSdk(folder.to_owned()))
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(AuthoringError::io("make the folder", folder))?;
    }
    fs::write(path, text).map_err(AuthoringError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Manifest, SourceTree};

    const HOLES: [&str; 3] = ["{{name}}", "{{sdk}}", "{{module}}"];

    fn new(language: Language, folder: &Path) -> NewPlugin<'_> {
        NewPlugin {
            name: "tally",
            language,
            folder,
            sdk: None,
        }
    }

    #[test]
    fn every_language_has_a_template_whose_folder_stands_alone() {
        for language in Language::ALL {
            let home = tempfile::tempdir().unwrap();
            let folder = home.path().join("deep/tally");
            let written = write_new(new(language, &folder)).unwrap();
            let has = |path: &str| written.contains(&PathBuf::from(path));
            for path in ["README.md", ".gitignore", "plugin.toml", "wit/world.wit"] {
                assert!(has(path), "{language} lacks {path}");
            }
            let manifest = Manifest::read(&folder).unwrap();
            assert_eq!(
                (manifest.name.as_str(), manifest.language),
                ("tally", language)
            );
            for source in &manifest.sources {
                assert!(folder.join(source).is_file(), "{language} lacks its source");
            }
            for path in &written {
                let text = fs::read_to_string(folder.join(path)).unwrap();
                let is_sdk = path.starts_with(SDK_FOLDER);
                assert!(
                    is_sdk || !HOLES.iter().any(|hole| text.contains(hole)),
                    "{language}: {} has a hole",
                    path.display()
                );
            }
            assert_eq!(has("sdk/src/lib.rs"), language == Language::Rust);
            assert!(SourceTree::scan(&folder).unwrap() != SourceTree::default());
        }
    }

    #[test]
    fn a_folder_with_somebodys_files_is_refused_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("mine"), "").unwrap();
        for folder in [home.path().to_owned(), home.path().join("mine")] {
            let refused = write_new(new(Language::C, &folder)).unwrap_err();
            assert!(
                matches!(refused, AuthoringError::FolderInUse(_)),
                "{refused}"
            );
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_checkout_can_stand_in_for_the_copy_of_the_sdk() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("tally");
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk");
        let sdk = Some(own.as_path());
        let written = write_new(NewPlugin {
            sdk,
            ..new(Language::Rust, &folder)
        })
        .unwrap();
        assert!(!written.iter().any(|path| path.starts_with(SDK_FOLDER)));
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let absolute = fs::canonicalize(own).unwrap();
        assert!(manifest.contains(absolute.to_str().unwrap()), "{manifest}");

        let elsewhere = home.path().join("other");
        let sdk = Some(home.path());
        let refused = write_new(NewPlugin {
            sdk,
            ..new(Language::Rust, &elsewhere)
        })
        .unwrap_err();
        assert!(matches!(refused, AuthoringError::NotTheSdk(_)), "{refused}");
        assert!(!elsewhere.exists());
    }
}
