//! The guest SDK as a folder that stands alone: its manifests take nothing from a workspace any more. Knows
//! nothing of what the SDK offers.

use toml::{Table, Value};

use crate::packed;

/// Where the SDK lies in this workspace; what it depends on here lies below.
const FOLDER: &str = "guest-sdk/";

/// The name that a folder's manifest must give to be taken for the SDK.
pub(crate) const PACKAGE: &str = "zareba-guest-sdk";

/// The SDK's files and their texts.
pub(crate) fn files() -> impl Iterator<Item = (&'static str, String)> {
    packed::SDK.iter().map(|(path, text)| {
        let is_manifest = path.ends_with("Cargo.toml");
        let text = if is_manifest {
            stand_alone(text, packed::WORKSPACE)
        } else {
            (*text).to_owned()
        };
        (*path, text)
    })
}

/// Puts what a workspace says in the place of `workspace = true`.
fn stand_alone(manifest: &str, workspace: &str) -> String {
    let mut manifest: Table = toml::from_str(manifest).unwrap_or_default();
    let workspace: Table = toml::from_str(workspace).unwrap_or_default();
    let from = |section: &str| {
        let shared = workspace.get("workspace").and_then(|it| it.get(section));
        shared
            .and_then(Value::as_table)
            .cloned()
            .unwrap_or_default()
    };
    // Lints are the business of those who write the SDK.
    manifest.remove("lints");
    for (section, shared) in [
        ("package", from("package")),
        ("dependencies", from("dependencies")),
        ("dev-dependencies", from("dependencies")),
    ] {
        if let Some(Value::Table(entries)) = manifest.get_mut(section) {
            inherit(entries, &shared);
        }
    }
    manifest.to_string()
}

fn inherit(entries: &mut Table, shared: &Table) {
    for (name, entry) in entries.iter_mut() {
        let takes = entry.get("workspace").and_then(Value::as_bool);
        if takes != Some(true) {
            continue;
        }
        if let Some(said) = shared.get(name) {
            let own = std::mem::replace(entry, said.clone());
            shorten_path(entry);
            add_features(entry, &own);
        }
    }
}

/// Paths of the workspace begin at its root, those of the SDK in its folder.
fn shorten_path(entry: &mut Value) {
    let Some(Value::String(path)) = entry.get_mut("path") else {
        return;
    };
    if let Some(below) = path.strip_prefix(FOLDER) {
        *path = below.to_owned();
    }
}

/// A member may ask for more features than the workspace.
fn add_features(entry: &mut Value, own: &Value) {
    let Some(Value::Array(more)) = own.get("features") else {
        return;
    };
    if let Value::String(version) = entry {
        let version = Value::String(std::mem::take(version));
        *entry = Value::Table([("version".to_owned(), version)].into_iter().collect());
    }
    if let Value::Table(entry) = entry {
        let features = entry
            .entry("features")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(features) = features {
            features.extend(more.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_takes_from_a_workspace_stands_alone() {
        let workspace = "[workspace.package]\nversion = \"1.2.3\"\n[workspace.dependencies]\n\
                         a = \"1\"\nb = { path = \"guest-sdk/b\" }\nc = { version = \"2\", features = [\"x\"] }\n";
        let manifest = "[package]\nname = \"p\"\nversion.workspace = true\n[lints]\nworkspace = true\n\
                        [dependencies]\na = { workspace = true, features = [\"z\"] }\nb.workspace = true\n\
                        c = { workspace = true, features = [\"y\"] }\nd = \"4\"\n";
        let expected = "[package]\nname = \"p\"\nversion = \"1.2.3\"\n[dependencies]\n\
                        a = { version = \"1\", features = [\"z\"] }\nb = { path = \"b\" }\n\
                        c = { version = \"2\", features = [\"x\", \"y\"] }\nd = \"4\"\n";
        let got: Table = toml::from_str(&stand_alone(manifest, workspace)).unwrap();
        assert_eq!(got, toml::from_str(expected).unwrap());
    }

    #[test]
    fn the_sdk_is_packed_with_manifests_that_stand_alone() {
        let files: Vec<_> = files().collect();
        for (path, text) in &files {
            if path.ends_with("Cargo.toml") {
                assert!(!text.contains("workspace"), "{path}: {text}");
            }
        }
        let has = |path: &str| files.iter().any(|(it, _)| *it == path);
        assert!(
            has("Cargo.toml")
                && has("src/lib.rs")
                && has("macros/Cargo.toml")
                && has("macros/src/lib.rs")
        );
    }
}
