//! `zareba plugin new`, `build` and `dev`: what a plugin's author does. Here is only which one.

mod build;
mod dev;
mod new;

use crate::args::Authoring;
use crate::console::Console;

pub(super) async fn run(authoring: Authoring, console: &Console) -> anyhow::Result<()> {
    match authoring {
        Authoring::New {
            name,
            folder,
            language,
            sdk,
        } => new::run(&name, folder, language, sdk.as_deref(), console),
        Authoring::Build { folder, out } => build::run(folder, out, console).await,
        Authoring::Dev { folder } => dev::run(folder, console).await,
    }
}
