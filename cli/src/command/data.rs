//! `create`, `get`, `set`, `delete`, `ls`, `stat`: one request of a session each.

use bytes::Bytes;
use serde_json::json;
use zareba_client::model::{ChildrenPage, CreateMode, ErrorCode, ZnodePath};
use zareba_client::{Client, Error};

use super::interrupted;
use crate::args::{Create, Delete, Ensemble, Format, Get, Ls, Set};
use crate::output::{self, say};
use crate::profile::in_session;

pub(super) async fn create(
    create: Create,
    ensemble: &Ensemble,
    format: Format,
) -> anyhow::Result<()> {
    in_session(ensemble, async |client| {
        let mode = match (create.ephemeral, create.sequential) {
            (false, false) => CreateMode::Persistent,
            (false, true) => CreateMode::PersistentSequential,
            (true, false) => CreateMode::Ephemeral,
            (true, true) => CreateMode::EphemeralSequential,
        };
        if create.parents {
            create_parents(client, &create.path).await?;
        }
        let path = client
            .create(&create.path, Bytes::from(create.data), mode)
            .await?;
        say(format, &path, json!({ "path": path.as_str() }))?;
        if create.ephemeral {
            interrupted().await?;
        }
        Ok(())
    })
    .await
}

async fn create_parents(client: &Client, path: &ZnodePath) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(parent) = above.filter(|parent| !parent.is_root()) {
        if client.exists(&parent).await?.is_some() {
            break;
        }
        above = parent.parent();
        missing.push(parent);
    }
    for parent in missing.into_iter().rev() {
        match client
            .create(&parent, Bytes::new(), CreateMode::Persistent)
            .await
        {
            // Somebody else was faster.
            Err(error) if error.is(ErrorCode::NodeExists) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

pub(super) async fn get(get: Get, ensemble: &Ensemble, format: Format) -> anyhow::Result<()> {
    in_session(ensemble, async |client| {
        if get.sync {
            client.sync().await?;
        }
        let (data, stat) = client.get(&get.path).await?;
        match format {
            Format::Text => output::raw(&data)?,
            Format::Json => output::line(json!({
                "path": get.path.as_str(),
                "data": output::data_json(&data),
                "stat": output::stat_json(&stat),
            }))?,
        }
        Ok(())
    })
    .await
}

pub(super) async fn set(set: Set, ensemble: &Ensemble, format: Format) -> anyhow::Result<()> {
    in_session(ensemble, async |client| {
        let stat = client
            .set(&set.path, Bytes::from(set.data), set.version)
            .await?;
        say(
            format,
            format!("version {}", stat.version),
            output::stat_json(&stat),
        )?;
        Ok(())
    })
    .await
}

pub(super) async fn delete(
    delete: Delete,
    ensemble: &Ensemble,
    format: Format,
) -> anyhow::Result<()> {
    in_session(ensemble, async |client| {
        client.delete(&delete.path, delete.version).await?;
        if format == Format::Json {
            output::line(json!({ "deleted": delete.path.as_str() }))?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn ls(ls: Ls, ensemble: &Ensemble, format: Format) -> anyhow::Result<()> {
    in_session(ensemble, async |client| {
        let mut after = None;
        loop {
            let page = ChildrenPage {
                after,
                prefix: ls.prefix.clone(),
                limit: 0,
            };
            let list = client.children_page(&ls.path, page).await?;
            for name in &list.names {
                say(format, name, json!(name))?;
            }
            after = list.names.last().cloned();
            if !list.more || after.is_none() {
                break;
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn stat(
    path: ZnodePath,
    ensemble: &Ensemble,
    format: Format,
) -> anyhow::Result<()> {
    in_session(ensemble, async |client| {
        let stat = client.exists(&path).await?;
        let Some(stat) = stat else {
            let why = format!("{path} does not exist");
            return Err(
                Error::Refused(zareba_client::model::Fault::new(ErrorCode::NoNode, why)).into(),
            );
        };
        say(format, output::stat_text(&stat), output::stat_json(&stat))
    })
    .await
}
