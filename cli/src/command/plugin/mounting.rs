//! What becomes of a plugin's mounts.

use std::collections::BTreeMap;

use anyhow::bail;
use serde_json::json;
use zareba_client::model::{Limits, ZnodePath};
use zareba_client::{Client, Error};

use crate::args::MountSettings;
use crate::console::Console;

pub(super) async fn mount(
    name: &str,
    path: &ZnodePath,
    settings: &MountSettings,
    console: &Console,
) -> anyhow::Result<()> {
    let (config, limits) = (config(&settings.config)?, limits(settings));
    console
        .in_session(async |client| {
            client.mount_plugin(name, path, config, limits).await?;
            console.say(path, json!({ "name": name, "mount": path.as_str() }))
        })
        .await
}

pub(super) async fn configure(
    path: &ZnodePath,
    settings: &MountSettings,
    console: &Console,
) -> anyhow::Result<()> {
    let (config, limits) = (config(&settings.config)?, limits(settings));
    let configure = async |client: &Client| client.configure_mount(path, config, limits).await;
    change(path, "configured", configure, console).await
}

/// Does one thing to a mount and says so.
pub(super) async fn change(
    path: &ZnodePath,
    what: &'static str,
    change: impl AsyncFnOnce(&Client) -> Result<(), Error>,
    console: &Console,
) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            change(client).await?;
            console.say(path, json!({ what: path.as_str() }))
        })
        .await
}

fn config(pairs: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut config = BTreeMap::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            bail!(Error::Configuration(format!(
                "a config value is written KEY=VALUE, unlike {pair:?}"
            )));
        };
        config.insert(key.to_owned(), value.to_owned());
    }
    Ok(config)
}

fn limits(settings: &MountSettings) -> Limits {
    let usual = Limits::default();
    Limits {
        memory_bytes_max: settings.memory.unwrap_or(usual.memory_bytes_max),
        time_ms_max: settings.time_ms.unwrap_or(usual.time_ms_max),
        host_calls_max: settings.host_calls.unwrap_or(usual.host_calls_max),
        ops_max: settings.changes.unwrap_or(usual.ops_max),
        bytes_max: settings.bytes.unwrap_or(usual.bytes_max),
        log_lines_max: settings.log_lines.unwrap_or(usual.log_lines_max),
        parked_calls_max: settings.parked_calls.unwrap_or(usual.parked_calls_max),
        warm: settings.warm,
    }
}
