//! `zareba plugin build`: a component of a folder.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use zareba_authoring::{Component, Manifest};

use crate::clock;
use crate::console::Console;

pub(super) async fn run(
    folder: PathBuf,
    out: Option<PathBuf>,
    console: &Console,
) -> anyhow::Result<()> {
    let manifest = Manifest::read(&folder)?;
    let out = out.unwrap_or_else(|| default_out(&folder, &manifest));
    let start = clock::now();
    let component = component(folder, manifest.clone()).await?;
    let ms = clock::now().duration_since(start).as_millis();
    let bytes = component.bytes();
    std::fs::write(&out, bytes).with_context(|| format!("cannot write {}", out.display()))?;
    console.say(
        format_args!("{}: {} bytes, built in {ms} ms", out.display(), bytes.len()),
        json!({
            "name": manifest.name,
            "language": manifest.language,
            "component": out,
            "bytes": bytes.len(),
            "imports": component.imports(),
            "ms": u64::try_from(ms).unwrap_or(u64::MAX),
        }),
    )
}

/// Builds, on a thread that may take its time.
pub(super) async fn component(folder: PathBuf, manifest: Manifest) -> anyhow::Result<Component> {
    let building = tokio::task::spawn_blocking(move || zareba_authoring::build(&folder, &manifest));
    Ok(building.await.context("the build has been given up")??)
}

fn default_out(folder: &Path, manifest: &Manifest) -> PathBuf {
    let here = Path::new("build").join(format!("{}.wasm", manifest.name));
    if folder == Path::new(".") {
        return here;
    }
    folder.join(here)
}
