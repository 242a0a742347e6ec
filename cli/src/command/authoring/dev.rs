//! `zareba plugin dev`: a folder is built, deployed and mounted, and again whenever its author has written. What
//! fails is said, and the next change tries again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use zareba_authoring::{Component, Instance, Manifest, Mount, SourceTree};
use zareba_client::model::{ErrorCode, Limits, Sha256, ZnodePath};
use zareba_client::{Client, Error};

use super::build;
use crate::args::Format;
use crate::console::Console;
use crate::{clock, exit, output};

/// How often the folder is looked at. Looking reads names and times, no content.
const GLANCE: Duration = Duration::from_millis(250);

/// How long compiling on a quorum may take; an interpreter's component takes long.
const READY_PATIENCE: Duration = Duration::from_secs(120);

/// Where the ensemble shows its mounts.
const MOUNTS: &str = "/zareba/mounts";

/// Goes on until it is interrupted.
pub(super) async fn run(folder: PathBuf, console: &Console) -> anyhow::Result<()> {
    // A folder without a plugin will not become one.
    Manifest::read(&folder)?;
    let mut author = Author {
        folder,
        console,
        deployed: None,
        mounted: None,
    };
    tokio::select! {
        interrupted = crate::command::interrupted() => interrupted,
        broken = author.watch() => broken,
    }
}

/// One folder and what has become of it so far.
struct Author<'a> {
    folder: PathBuf,
    console: &'a Console,
    deployed: Option<Sha256>,
    mounted: Option<Mount>,
}

impl Author<'_> {
    /// Returns only what ends it: the folder is gone, or nobody reads what it says.
    async fn watch(&mut self) -> anyhow::Result<()> {
        loop {
            // Before the build, so that what is written meanwhile is not missed.
            let tree = SourceTree::scan(&self.folder)?;
            if let Err(error) = self.round().await {
                self.say_failure(&error)?;
            }
            self.say(
                format_args!("watching {}", self.folder.display()),
                json!({ "event": "watching", "folder": self.folder }),
            )?;
            let changed = next_change(&self.folder, tree).await?;
            let names: Vec<_> = changed.iter().map(|it| it.display().to_string()).collect();
            self.say(
                format_args!("changed: {}", names.join(", ")),
                json!({ "event": "changed", "files": names }),
            )?;
        }
    }

    /// From the folder to calls of the plugin.
    async fn round(&mut self) -> anyhow::Result<()> {
        let manifest = Manifest::read(&self.folder)?;
        let start = clock::now();
        let component = build::component(self.folder.clone(), manifest.clone()).await?;
        let ms = u64::try_from(clock::now().duration_since(start).as_millis()).unwrap_or(u64::MAX);
        let bytes = component.bytes().len();
        self.say(
            format_args!("built: {bytes} bytes in {ms} ms"),
            json!({ "event": "built", "bytes": bytes, "ms": ms }),
        )?;
        let console = self.console;
        console
            .in_session(async |client| self.deploy(client, &manifest, &component).await)
            .await
    }

    async fn deploy(
        &mut self,
        client: &Client,
        manifest: &Manifest,
        component: &Component,
    ) -> anyhow::Result<()> {
        let name = &manifest.name;
        let bytes = component.bytes().to_vec();
        let sha256 = client.push_plugin(name, bytes, |_, _| {}).await?;
        activate(client, name, sha256).await?;
        let is_new = self.deployed != Some(sha256);
        self.deployed = Some(sha256);
        let short: String = sha256.to_string().chars().take(12).collect();
        self.say(
            if is_new {
                format!("active: {name} {short}")
            } else {
                format!("active: {name} {short}, the same as before")
            },
            json!({ "event": "active", "name": name, "sha256": sha256.to_string(), "new": is_new }),
        )?;
        self.mount(client, manifest).await
    }

    /// Mounts it as the manifest says, unless it is mounted.
    async fn mount(&mut self, client: &Client, manifest: &Manifest) -> anyhow::Result<()> {
        let path = manifest.mount_path();
        let path: ZnodePath = path.parse().with_context(|| {
            format!("plugin.toml says path = {path:?} under [mount], which is no path")
        })?;
        let wanted = &manifest.mount;
        let there = mounted_plugin(client, &path).await?;
        if let Some(other) = there.as_ref().filter(|it| **it != manifest.name) {
            anyhow::bail!(
                "{path} is the mount of the plugin {other}; plugin.toml can name another path under [mount]"
            );
        }
        if there.is_none() {
            let config = wanted.config.clone();
            let mounted = client.mount_plugin(&manifest.name, &path, config, limits(wanted));
            mounted.await?;
        }
        // Who mounted it before this command has perhaps done so otherwise, and knows why.
        let before = self.mounted.get_or_insert_with(|| wanted.clone());
        let is_changed = there.is_some() && before != wanted;
        if is_changed {
            let config = wanted.config.clone();
            let configured = client.configure_mount(&path, config, limits(wanted));
            configured.await?;
        }
        before.clone_from(wanted);
        let how = match (is_changed, there.is_some()) {
            (false, false) => "",
            (false, true) => ", as it was",
            (true, _) => ", configured anew",
        };
        self.say(
            format_args!("mounted: {path}{how}"),
            json!({
                "event": "mounted",
                "path": path.as_str(),
                "new": there.is_none(),
                "configured": is_changed,
            }),
        )
    }

    fn say(&self, text: impl std::fmt::Display, value: Value) -> anyhow::Result<()> {
        self.console.say(text, value)
    }

    /// An error of one round ends nothing.
    fn say_failure(&self, error: &anyhow::Error) -> anyhow::Result<()> {
        exit::report(error, self.console.format);
        match self.console.format {
            Format::Text => Ok(()),
            Format::Json => {
                output::line(json!({ "event": "failed", "error": format!("{error:#}") }))
            }
        }
    }
}

/// Waits until the folder is another one than it was, and then until nobody writes any more.
async fn next_change(folder: &Path, earlier: SourceTree) -> anyhow::Result<Vec<PathBuf>> {
    let mut seen = earlier.clone();
    loop {
        tokio::time::sleep(GLANCE).await;
        let now = SourceTree::scan(folder)?;
        if now != earlier && now == seen {
            return Ok(now.changed_since(&earlier));
        }
        seen = now;
    }
}

/// Enough servers have to have compiled it.
async fn activate(client: &Client, name: &str, sha256: Sha256) -> Result<(), Error> {
    let deadline = clock::now() + READY_PATIENCE;
    loop {
        match client.activate_breaking_plugin(name, sha256).await {
            Err(error) if error.is(ErrorCode::PluginNotReady) && clock::now() < deadline => {
                tokio::time::sleep(GLANCE).await;
            }
            other => return other,
        }
    }
}

/// Which plugin is mounted there.
async fn mounted_plugin(client: &Client, path: &ZnodePath) -> anyhow::Result<Option<String>> {
    for name in client.children(MOUNTS).await? {
        let (data, _) = client.get(format!("{MOUNTS}/{name}").as_str()).await?;
        let mount: Value = serde_json::from_slice(&data)?;
        if mount.get("path").and_then(Value::as_str) == Some(path.as_str()) {
            let plugin = mount.get("plugin").and_then(Value::as_str);
            return Ok(plugin.map(str::to_owned));
        }
    }
    Ok(None)
}

fn limits(mount: &Mount) -> Limits {
    let default = Limits::default();
    let memory = mount.memory_mib.map(|mib| u64::from(mib) << 20);
    Limits {
        warm: mount.instance == Instance::Warm,
        time_ms_max: mount.time_ms.unwrap_or(default.time_ms_max),
        memory_bytes_max: memory.unwrap_or(default.memory_bytes_max),
        ..default
    }
}
