//! What a plugin's folder looks like at one moment, to be compared with a later one. Must never know what is
//! built of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{AuthoringError, Result};

/// What builds write, besides what is not shown: a change there is no change of the plugin.
const WRITTEN_BY_BUILDS: &[&str] = &[
    "bindings",
    "build",
    "target",
    "node_modules",
    "__pycache__",
    "Cargo.lock",
    "package-lock.json",
    "go.sum",
];

/// The files that an author writes, and when each was last written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTree {
    files: BTreeMap<PathBuf, (SystemTime, u64)>,
}

impl SourceTree {
    /// Looks at a folder now.
    ///
    /// # Errors
    ///
    /// It cannot be read. A file that goes away meanwhile is none.
    pub fn scan(folder: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.add(folder, Path::new(""))?;
        Ok(tree)
    }

    fn add(&mut self, root: &Path, below: &Path) -> Result<()> {
        let folder = root.join(below);
        let entries = fs::read_dir(&folder).map_err(AuthoringError::io("look into", &folder))?;
        for entry in entries {
            let entry = entry.map_err(AuthoringError::io("look into", &folder))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // Editors write beside a file, under a name that begins or ends like this, before they replace it.
            let is_beside = name.starts_with('.') || name.ends_with('~');
            // What is said of a build may be written here, too, and must not be the reason for the next one.
            let is_said = name.ends_with(".log");
            if WRITTEN_BY_BUILDS.contains(&&*name) || is_beside || is_said {
                continue;
            }
            let path = below.join(&*name);
            let about = match fs::metadata(entry.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                about => about.map_err(AuthoringError::io("look at", &path))?,
            };
            if about.is_dir() {
                self.add(root, &path)?;
            } else {
                let written = about
                    .modified()
                    .map_err(AuthoringError::io("look at", &path))?;
                self.files.insert(path, (written, about.len()));
            }
        }
        Ok(())
    }

    /// The files that are not as they were, in order.
    pub fn changed_since(&self, earlier: &Self) -> Vec<PathBuf> {
        let here = self
            .files
            .iter()
            .filter(|(path, file)| earlier.files.get(*path) != Some(file));
        let gone = earlier
            .files
            .keys()
            .filter(|path| !self.files.contains_key(*path));
        let mut changed: Vec<_> = here.map(|(path, _)| path).chain(gone).cloned().collect();
        changed.sort();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_added_or_gone_has_changed_and_what_builds_write_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/a.c", "1");
        write("b.c", "1");
        let earlier = SourceTree::scan(folder.path()).unwrap();
        for path in [
            "bindings/plugin.h",
            "build/x.wasm",
            "target/deep/x",
            ".git/x",
            "Cargo.lock",
            "b.c~",
            "dev.log",
        ] {
            write(path, "x");
        }
        assert_eq!(SourceTree::scan(folder.path()).unwrap(), earlier);
        write("src/a.c", "22");
        write("c.c", "1");
        fs::remove_file(folder.path().join("b.c")).unwrap();
        let now = SourceTree::scan(folder.path()).unwrap();
        let changed = now.changed_since(&earlier);
        assert_eq!(changed, ["b.c", "c.c", "src/a.c"].map(PathBuf::from));
    }
}
