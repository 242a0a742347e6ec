//! `zareba plugin …`: here is only which one.

mod deploy;
mod mounting;
mod publisher;
mod registry;
mod seen;

use serde_json::json;

use crate::args::Plugin;
use crate::console::Console;

/// Runs it, and returns the exit code.
pub(super) async fn run(plugin: Plugin, console: &Console) -> anyhow::Result<u8> {
    match plugin {
        // An author needs no session.
        Plugin::Authoring(authoring) => super::authoring::run(authoring, console).await?,
        Plugin::Push(push) => deploy::push(push, console).await?,
        Plugin::Verify { file } => deploy::verify(&file, console)?,
        Plugin::Plan { name, revision } => {
            return deploy::plan(&name, revision.as_deref(), console).await;
        }
        Plugin::Activate {
            name,
            revision,
            allow_breaking,
        } => deploy::activate(&name, revision.as_deref(), allow_breaking, console).await?,
        Plugin::Rollback { name, revision } => {
            deploy::rollback(&name, revision.as_deref(), console).await?;
        }
        Plugin::Remove { name, revision } => {
            deploy::remove(&name, revision.as_deref(), console).await?;
        }
        Plugin::Mount {
            name,
            path,
            settings,
        } => mounting::mount(&name, &path, &settings, console).await?,
        Plugin::Configure { path, settings } => {
            mounting::configure(&path, &settings, console).await?;
        }
        Plugin::Unmount { path } => {
            let unmount = async |client: &zareba_client::Client| client.unmount_plugin(&path).await;
            mounting::change(&path, "unmounted", unmount, console).await?;
        }
        Plugin::Pause { path, reason } => {
            let pause =
                async |client: &zareba_client::Client| client.pause_mount(&path, reason).await;
            mounting::change(&path, "paused", pause, console).await?;
        }
        Plugin::Resume { path } => {
            let resume = async |client: &zareba_client::Client| client.resume_mount(&path).await;
            mounting::change(&path, "resumed", resume, console).await?;
        }
        Plugin::ClearQuarantine { path, drop_events } => {
            let clear = async |client: &zareba_client::Client| {
                client.clear_quarantine(&path, drop_events).await
            };
            mounting::change(&path, "cleared", clear, console).await?;
        }
        Plugin::List => registry::list(console).await?,
        Plugin::Describe { name, revision } => {
            registry::describe(&name, revision.as_deref(), console).await?;
        }
        Plugin::Stats { mount } => seen::stats(mount.as_ref(), console).await?,
        Plugin::Top {
            mount,
            every,
            times,
        } => seen::top(mount.as_ref(), every, times, console).await?,
        Plugin::Logs {
            mount,
            follow,
            level,
        } => seen::logs(mount.as_ref(), follow, level, console).await?,
        Plugin::Publisher(command) => publisher::run(command, console).await?,
    }
    Ok(0)
}

/// Says of a revision what has become of it.
fn say_revision(
    console: &Console,
    name: &str,
    what: &str,
    sha256: zareba_client::model::Sha256,
) -> anyhow::Result<()> {
    console.say(sha256, json!({ "name": name, what: sha256.to_string() }))
}
