//! `create`, `get`, `set`, `delete`, `stat`, `check`, `sync`: a request or two of a session each.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use serde_json::json;
use zareba_client::model::{Acl, ErrorCode, EventKind, Fault, Stat, ZnodePath};
use zareba_client::{Client, Error};

use crate::args::{Create, Delete, Format, Freshness, Get, Set};
use crate::console::Console;
use crate::output;

pub(super) async fn create(create: Create, console: &Console) -> anyhow::Result<()> {
    let data = data(Some(create.data), create.file.as_deref(), console)?;
    console
        .in_session(async |client| {
            let mut node = client.create_node(&create.path).data(data);
            node = node.acl(Acl(create.acl));
            if create.ephemeral {
                node = node.ephemeral();
            }
            if create.sequential {
                node = node.sequential();
            }
            if create.container {
                node = node.container();
            }
            if let Some(ttl) = create.ttl {
                node = node.ttl(ttl);
            }
            if create.parents {
                node = node.parents();
            }
            let (path, _) = node.await?;
            console.say(&path, json!({ "path": path.as_str() }))?;
            if create.ephemeral {
                console.hold(client).await?;
            }
            Ok(())
        })
        .await
}

/// What a node is to hold: a file's bytes if one is named, the words of the line otherwise.
fn data(words: Option<String>, file: Option<&Path>, console: &Console) -> anyhow::Result<Bytes> {
    let Some(file) = file else {
        return Ok(Bytes::from(words.unwrap_or_default()));
    };
    let mut data = Vec::new();
    if file == Path::new("-") {
        let read = console.standard_input()?.lock().read_to_end(&mut data);
        read.context("cannot read standard input")?;
    } else {
        data = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(data.into())
}

pub(super) async fn get(get: Get, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let client = fresh(client, get.fresh).await?;
            if !get.watch {
                let (data, stat) = client.get(&get.path).await?;
                return show(&get, &data, &stat, console);
            }
            loop {
                let (data, stat, watch) = client.get_and_watch(&get.path).await?;
                show(&get, &data, &stat, console)?;
                if watch.await?.kind == EventKind::Deleted {
                    let why = format!("{} was deleted", get.path);
                    return Err(Error::Refused(Fault::new(ErrorCode::NoNode, why)).into());
                }
            }
        })
        .await
}

fn show(get: &Get, data: &[u8], stat: &Stat, console: &Console) -> anyhow::Result<()> {
    match console.format {
        Format::Text => {
            output::raw(data)?;
            if get.stat {
                output::line(output::stat_text(stat))?;
            }
            Ok(())
        }
        Format::Json => output::line(json!({
            "path": get.path.as_str(),
            "data": output::data_json(data),
            "stat": output::stat_json(stat),
        })),
    }
}

/// A handle whose reads are as new as they have to be.
pub(super) async fn fresh(client: &Client, fresh: Freshness) -> anyhow::Result<Client> {
    if fresh.sync {
        client.sync().await?;
    }
    Ok(match fresh.linearizable {
        true => client.linearizable(),
        false => client.clone(),
    })
}

pub(super) async fn set(set: Set, console: &Console) -> anyhow::Result<()> {
    let data = data(set.data, set.file.as_deref(), console)?;
    console
        .in_session(async |client| {
            let stat = client.set(&set.path, data, set.version).await?;
            console.say(
                format!("version {}", stat.version),
                output::stat_json(&stat),
            )
        })
        .await
}

pub(super) async fn delete(delete: Delete, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            client.delete(&delete.path, delete.version).await?;
            if console.format == Format::Json {
                output::line(json!({ "deleted": delete.path.as_str() }))?;
            }
            Ok(())
        })
        .await
}

pub(super) async fn stat(
    path: ZnodePath,
    freshness: Freshness,
    console: &Console,
) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let stat = stat_of(&fresh(client, freshness).await?, &path).await?;
            console.say(output::stat_text(&stat), output::stat_json(&stat))
        })
        .await
}

/// The stat of a node that has to be there.
pub(super) async fn stat_of(client: &Client, path: &ZnodePath) -> anyhow::Result<Stat> {
    client.exists(path).await?.ok_or_else(|| {
        let why = format!("{path} does not exist");
        Error::Refused(Fault::new(ErrorCode::NoNode, why)).into()
    })
}

pub(super) async fn check(
    path: ZnodePath,
    version: Option<u64>,
    console: &Console,
) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            client.check(&path, version).await?;
            if console.format == Format::Json {
                output::line(json!({ "checked": path.as_str() }))?;
            }
            Ok(())
        })
        .await
}

pub(super) async fn sync(console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            client.sync().await?;
            let zxid = client.last_zxid();
            console.say(zxid, json!({ "zxid": zxid.to_string() }))
        })
        .await
}
