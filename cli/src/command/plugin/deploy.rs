//! What becomes of a plugin's revisions: pushed, planned, activated, rolled back, removed.

use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sha2::{Digest, Sha256 as Hasher};
use zareba_client::model::{Difference, PluginDescription, Sha256, differences};
use zareba_client::{Client, Error};
use zareba_plugin_host::{CompileLimits, PluginEngine, compile};

use super::registry::{self, REVISION_DIGITS};
use super::{publisher, say_revision};
use crate::args::{Format, Push};
use crate::console::Console;
use crate::{exit, output};

pub(super) async fn push(push: Push, console: &Console) -> anyhow::Result<()> {
    let component = read(&push.file)?;
    let sha256 = Sha256(Hasher::digest(&component).into());
    let signature = match (&push.publisher, &push.key_file) {
        (Some(publisher), Some(key)) => Some(publisher::sign(publisher, key, &push.name, &sha256)?),
        _ => None,
    };
    console
        .in_session(async |client| {
            let bar = progress_bar(component.len() as u64);
            let progress = |sent, _| {
                bar.set_position(sent);
                if Some(sent) == bar.length() {
                    bar.set_message("compiling");
                }
            };
            let (name, component) = (&push.name, component);
            let pushed = match signature {
                None => client.push_plugin(name, component, progress).await,
                Some(signature) => {
                    client
                        .push_signed_plugin(name, component, signature, progress)
                        .await
                }
            };
            bar.finish_and_clear();
            say_revision(console, &push.name, "sha256", pushed?)
        })
        .await
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let read = std::fs::read(file);
    read.map_err(|error| {
        let what = format!("cannot read the component {}: {error}", file.display());
        Error::Configuration(what).into()
    })
}

fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// Checks a component as the servers would.
pub(super) fn verify(file: &Path, console: &Console) -> anyhow::Result<()> {
    let component = read(file)?;
    let description = describe_here(&component)?;
    if console.format == Format::Json {
        return output::line(json!({
            "sha256": Sha256(Hasher::digest(&component).into()).to_string(),
            "size": component.len(),
            "description": description,
        }));
    }
    registry::say_description(console, &description)
}

fn describe_here(component: &[u8]) -> anyhow::Result<PluginDescription> {
    let engine = PluginEngine::new()?;
    let compiled = compile(&engine, component, &CompileLimits::default());
    let compiled = compiled.map_err(|refused| {
        use zareba_client::model::{ErrorCode, Fault};
        Error::from(Fault::new(ErrorCode::PluginRefused, refused.to_string()))
    })?;
    Ok(compiled.description().clone())
}

/// Says what would change; the exit code tells whether something would break.
pub(super) async fn plan(
    name: &str,
    revision: Option<&str>,
    console: &Console,
) -> anyhow::Result<u8> {
    let file = revision.map(Path::new).filter(|file| file.is_file());
    let here = match file {
        None => None,
        Some(file) => {
            let component = read(file)?;
            let sha256 = Sha256(Hasher::digest(&component).into());
            Some((sha256, describe_here(&component)?))
        }
    };
    console
        .in_session(async |client| {
            let (sha256, new) = match here {
                Some(here) => here,
                None => {
                    let found = registry::find(client, name, revision).await?;
                    (found.sha256, found.description)
                }
            };
            let old = active(client, name).await?;
            let mounts = registry::mounts(client).await?;
            let is_its = |mount: &&Value| registry::text(mount, "plugin") == Some(name);
            let paths = mounts.iter().filter(is_its);
            let paths: Vec<_> = paths.filter_map(|it| registry::text(it, "path")).collect();
            let found = match &old {
                None => Vec::new(),
                Some((_, old)) => differences(old, &new),
            };
            let from = old.map(|(from, _)| from);
            say_plan(console, name, (from, sha256), &found, &paths)?;
            let breaks = found.iter().any(|it| it.breaking);
            Ok(if breaks { exit::CONFLICT } else { 0 })
        })
        .await
}

/// The active revision, if there is one.
async fn active(
    client: &Client,
    name: &str,
) -> anyhow::Result<Option<(Sha256, PluginDescription)>> {
    let active = match registry::head(client, name).await {
        Err(error) if exit::is_fault(&error, zareba_client::model::ErrorCode::NoPlugin) => None,
        other => other?.active,
    };
    let Some(active) = active else {
        return Ok(None);
    };
    let revisions = registry::revisions(client, name).await?;
    let found = revisions.into_iter().find(|it| it.sha256 == active);
    Ok(found.map(|it| (it.sha256, it.description)))
}

fn say_plan(
    console: &Console,
    name: &str,
    (from, to): (Option<Sha256>, Sha256),
    found: &[Difference],
    mounts: &[&str],
) -> anyhow::Result<()> {
    if console.format == Format::Json {
        let changes = found.iter();
        let changes = changes.map(|it| json!({ "what": it.to_string(), "breaking": it.breaking }));
        return output::line(json!({
            "name": name,
            "from": from.map(|from| from.to_string()),
            "to": to.to_string(),
            "changes": changes.collect::<Vec<_>>(),
            "breaking": found.iter().any(|it| it.breaking),
            "mounts": mounts,
        }));
    }
    let short =
        |sha256: Sha256| -> String { sha256.to_string().chars().take(REVISION_DIGITS).collect() };
    let from = from.map_or_else(|| "nothing".to_owned(), short);
    output::line(format_args!("{name}: {from} -> {}", short(to)))?;
    for it in found {
        let mark = if it.breaking { "BREAKS " } else { "       " };
        output::line(format_args!("  {mark} {it}"))?;
    }
    if found.is_empty() {
        output::line("  nothing changes for callers")?;
    }
    match mounts {
        [] => output::line("  mounted nowhere"),
        mounts => output::line(format_args!("  mounted at {}", mounts.join(", "))),
    }
}

pub(super) async fn activate(
    name: &str,
    revision: Option<&str>,
    allow_breaking: bool,
    console: &Console,
) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let sha256 = registry::find(client, name, revision).await?.sha256;
            match allow_breaking {
                true => client.activate_breaking_plugin(name, sha256).await?,
                false => client.activate_plugin(name, sha256).await?,
            }
            say_revision(console, name, "active", sha256)
        })
        .await
}

pub(super) async fn rollback(
    name: &str,
    revision: Option<&str>,
    console: &Console,
) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            registry::head(client, name).await?;
            let sha256 = match revision {
                None => client.roll_back_plugin(name).await?,
                Some(digits) => {
                    let sha256 = registry::find(client, name, Some(digits)).await?.sha256;
                    client.activate_breaking_plugin(name, sha256).await?;
                    sha256
                }
            };
            say_revision(console, name, "active", sha256)
        })
        .await
}

pub(super) async fn remove(
    name: &str,
    revision: Option<&str>,
    console: &Console,
) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let sha256 = match revision {
                None => None,
                Some(digits) => Some(registry::find(client, name, Some(digits)).await?.sha256),
            };
            client.remove_plugin(name, sha256).await?;
            let removed = sha256.map(|sha256| sha256.to_string());
            let text = removed.clone().unwrap_or_else(|| name.to_owned());
            console.say(text, json!({ "name": name, "removed": removed }))
        })
        .await
}

/// Makes it so that an error says which file it was about.
pub(super) fn of_file<T>(file: &Path, result: std::io::Result<T>) -> anyhow::Result<T> {
    result
        .with_context(|| file.display().to_string())
        .map_err(|error| anyhow!(Error::Configuration(format!("{error:#}"))))
}
