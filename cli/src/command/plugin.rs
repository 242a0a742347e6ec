//! `zareba plugin …` and `zareba call`.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use zareba_client::Client;
use zareba_client::model::{Limits, Sha256};

use crate::args::{Call, Format, Plugin};
use crate::console::Console;
use crate::output::{self, say};

/// Where the ensemble shows its plugins and mounts.
const PLUGINS: &str = "/zareba/plugins";
const MOUNTS: &str = "/zareba/mounts";

pub(super) async fn run(plugin: Plugin, console: &Console) -> anyhow::Result<()> {
    let plugin = match plugin {
        // An author needs no session.
        Plugin::Authoring(authoring) => return super::authoring::run(authoring, console).await,
        plugin => plugin,
    };
    let format = console.format;
    console
        .in_session(async |client| {
            match plugin {
                Plugin::Authoring(_) => {}
                Plugin::Push { name, file } => {
                    let component = std::fs::read(&file)
                        .with_context(|| format!("cannot read the component {}", file.display()))?;
                    let bar = progress_bar(component.len() as u64);
                    let pushed = client
                        .push_plugin(&name, component, |sent, _| {
                            bar.set_position(sent);
                            if sent == bar.length().unwrap_or(0) {
                                bar.set_message("compiling");
                            }
                        })
                        .await;
                    bar.finish_and_clear();
                    let sha256 = pushed?;
                    say(
                        format,
                        sha256,
                        json!({ "name": name, "sha256": sha256.to_string() }),
                    )?;
                }
                Plugin::Activate { name, revision } => {
                    let sha256 = find_revision(client, &name, revision.as_deref()).await?;
                    client.activate_plugin(&name, sha256).await?;
                    say(
                        format,
                        sha256,
                        json!({ "name": name, "active": sha256.to_string() }),
                    )?;
                }
                Plugin::Mount {
                    name,
                    path,
                    config,
                    warm,
                } => {
                    let limits = Limits {
                        warm,
                        ..Limits::default()
                    };
                    client
                        .mount_plugin(&name, &path, parse_config(&config)?, limits)
                        .await?;
                    say(
                        format,
                        &path,
                        json!({ "name": name, "mount": path.as_str() }),
                    )?;
                }
                Plugin::Unmount { path } => {
                    client.unmount_plugin(&path).await?;
                    say(format, &path, json!({ "unmounted": path.as_str() }))?;
                }
                Plugin::List => list(client, format).await?,
            }
            Ok(())
        })
        .await
}

pub(super) async fn call(call: Call, console: &Console) -> anyhow::Result<()> {
    let format = console.format;
    console
        .in_session(async |client| {
            let answer = client
                .call(&call.mount, &call.op, call.input.into_bytes())
                .await?;
            match format {
                Format::Text => output::raw(&answer)?,
                Format::Json => {
                    let value = serde_json::from_slice(&answer);
                    output::line(value.unwrap_or_else(|_| output::data_json(&answer)))?;
                }
            }
            if call.hold {
                console.hold(client).await?;
            }
            Ok(())
        })
        .await
}

fn progress_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

fn parse_config(pairs: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut config = BTreeMap::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            bail!("a config value is written KEY=VALUE, unlike {pair:?}");
        };
        config.insert(key.to_owned(), value.to_owned());
    }
    Ok(config)
}

/// One revision as the ensemble shows it, with the transaction that registered it.
struct Shown {
    sha256: String,
    registered: (u32, u32),
    size: u64,
    ops: usize,
}

async fn revisions(client: &Client, name: &str) -> anyhow::Result<Vec<Shown>> {
    let mut revisions = Vec::new();
    for sha256 in client
        .children(format!("{PLUGINS}/{name}").as_str())
        .await?
    {
        let path = format!("{PLUGINS}/{name}/{sha256}");
        let (data, stat) = client.get(path.as_str()).await?;
        let value: Value = serde_json::from_slice(&data)?;
        revisions.push(Shown {
            sha256,
            registered: (stat.czxid.epoch.0, stat.czxid.counter),
            size: number(&value, "size"),
            ops: value
                .get("ops")
                .and_then(Value::as_array)
                .map_or(0, Vec::len),
        });
    }
    revisions.sort_by_key(|revision| revision.registered);
    Ok(revisions)
}

async fn find_revision(
    client: &Client,
    name: &str,
    wanted: Option<&str>,
) -> anyhow::Result<Sha256> {
    let revisions = revisions(client, name).await?;
    let wanted_digits = wanted.unwrap_or_default();
    let mut fitting = revisions
        .iter()
        .filter(|it| it.sha256.starts_with(wanted_digits));
    let found = match wanted {
        None => fitting.next_back(),
        Some(digits) => {
            let first = fitting.next();
            if fitting.next().is_some() {
                bail!("several revisions of {name} start with {digits}; give more digits");
            }
            first
        }
    };
    let Some(found) = found else {
        bail!("the plugin {name} has no revision {wanted_digits}; see `zareba plugin list`");
    };
    Sha256::parse(&found.sha256).context("the ensemble shows an address that is none")
}

async fn list(client: &Client, format: Format) -> anyhow::Result<()> {
    let mut mounts: Vec<Value> = Vec::new();
    for name in client.children(MOUNTS).await? {
        let (data, _) = client.get(format!("{MOUNTS}/{name}").as_str()).await?;
        mounts.push(serde_json::from_slice(&data)?);
    }
    let mut rows = Vec::new();
    for name in client.children(PLUGINS).await? {
        let (data, _) = client.get(format!("{PLUGINS}/{name}").as_str()).await?;
        let plugin: Value = serde_json::from_slice(&data)?;
        for revision in revisions(client, &name).await? {
            let at: Vec<_> = mounts
                .iter()
                .filter(|mount| mount.get("plugin") == plugin.get("name"))
                .filter(|mount| text(mount, "revision") == Some(&revision.sha256))
                .collect();
            let active = text(&plugin, "active") == Some(&revision.sha256);
            match format {
                Format::Json => output::line(json!({
                    "name": name,
                    "sha256": revision.sha256,
                    "active": active,
                    "size": revision.size,
                    "mounts": at,
                }))?,
                Format::Text => rows.push([
                    name.clone(),
                    revision.sha256.chars().take(12).collect(),
                    if active { "active" } else { "" }.to_owned(),
                    revision.size.to_string(),
                    revision.ops.to_string(),
                    at.iter()
                        .map(|mount| mount_text(mount))
                        .collect::<Vec<_>>()
                        .join(" "),
                ]),
            }
        }
    }
    if format == Format::Text {
        let header = ["PLUGIN", "REVISION", "STATE", "BYTES", "OPS", "MOUNTS"];
        output::line(output::table(header, rows))?;
    }
    Ok(())
}

fn mount_text(mount: &Value) -> String {
    let path = text(mount, "path").unwrap_or("?");
    match text(mount, "quarantined") {
        Some(why) => format!("{path} (out of service: {why})"),
        None => path.to_owned(),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}
