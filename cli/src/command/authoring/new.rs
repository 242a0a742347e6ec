//! `zareba plugin new`: a folder with a plugin to begin with.

use std::path::{Path, PathBuf};

use serde_json::json;
use zareba_authoring::{Language, NewPlugin};
use zareba_client::Error;

use crate::console::Console;

pub(super) fn run(
    name: &str,
    folder: Option<PathBuf>,
    language: Language,
    sdk: Option<&Path>,
    console: &Console,
) -> anyhow::Result<()> {
    if sdk.is_some() && language != Language::Rust {
        let why = format!("--sdk is for plugins in rust; one in {language} has no SDK");
        return Err(Error::Configuration(why).into());
    }
    let folder = folder.unwrap_or_else(|| PathBuf::from(name));
    let files = zareba_authoring::write_new(NewPlugin {
        name,
        language,
        folder: &folder,
        sdk,
    })?;
    let shown = folder.display();
    console.say(
        format_args!(
            "{shown}: a plugin in {language}, {} files. README.md there says how to build it; then\n\n    \
             cd {shown}\n    zareba plugin build",
            files.len()
        ),
        json!({ "name": name, "language": language, "folder": folder, "files": files }),
    )
}
