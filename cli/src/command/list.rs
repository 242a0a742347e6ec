//! `ls`, `count` and `ephemerals`: what lies below a node.

use std::time::{Duration, SystemTime};

use serde_json::json;
use zareba_client::Client;
use zareba_client::model::{ChildrenPage, ErrorCode, Lifetime, PathsPage, Stat, ZnodePath};

use super::data::{fresh, stat_of};
use super::walk::{Walk, is_reserved};
use crate::args::{Count, Ephemerals, Format, Ls};
use crate::console::Console;
use crate::output;

pub(super) async fn ls(ls: Ls, console: &Console) -> anyhow::Result<()> {
    let root = ls.path.clone().unwrap_or_else(|| console.here());
    console
        .in_session(async |client| {
            let client = fresh(client, ls.fresh).await?;
            if ls.long || ls.recursive {
                return walk(&client, &root, &ls, console).await;
            }
            let mut after = None;
            loop {
                let page = ChildrenPage {
                    after,
                    prefix: ls.prefix.clone(),
                    limit: 0,
                };
                let list = client.children_page(&root, page).await?;
                for name in &list.names {
                    console.say(name, json!(name))?;
                }
                after = list.names.last().cloned();
                if !list.more || after.is_none() {
                    return Ok(());
                }
            }
        })
        .await
}

async fn walk(client: &Client, root: &ZnodePath, ls: &Ls, console: &Console) -> anyhow::Result<()> {
    let depth = if ls.recursive { usize::MAX } else { 1 };
    let mut walk = Walk::new(client, root.clone())
        .down_to(depth)
        .with_prefix(&ls.prefix);
    if ls.long && console.format == Format::Text {
        output::line(HEADER)?;
    }
    while let Some(met) = walk.next().await? {
        let name = met.path.relative_to(root).unwrap_or_default();
        if met.depth == 0 {
            continue;
        }
        match (console.format, ls.long) {
            (Format::Text, false) => output::line(name)?,
            (Format::Text, true) => output::line(row(name, &met.stat))?,
            (Format::Json, false) => output::line(json!(name))?,
            (Format::Json, true) => output::line(json!({
                "name": name,
                "path": met.path.as_str(),
                "stat": output::stat_json(&met.stat),
            }))?,
        }
    }
    Ok(())
}

/// Over the columns of [`row`].
const HEADER: &str = " VERSION    BYTES CHILDREN CHANGED              NAME";

/// A node in columns, so that long lists can be printed as they come.
fn row(name: &str, stat: &Stat) -> String {
    let lifetime = match stat.lifetime {
        Lifetime::Persistent => String::new(),
        limited => format!(" ({})", output::lifetime(limited)),
    };
    let changed = SystemTime::UNIX_EPOCH + Duration::from_millis(stat.mtime);
    format!(
        "{:>8} {:>8} {:>8} {} {name}{lifetime}",
        stat.version,
        stat.data_length,
        stat.num_children,
        humantime::format_rfc3339_seconds(changed),
    )
}

pub(super) async fn count(count: Count, console: &Console) -> anyhow::Result<()> {
    let path = count.path.clone().unwrap_or_else(|| console.here());
    console
        .in_session(async |client| {
            let client = fresh(client, count.fresh).await?;
            let found = match count.recursive {
                true => count_below(&client, &path).await?,
                false => stat_of(&client, &path).await?.num_children,
            };
            console.say(found, json!({ "path": path.as_str(), "count": found }))
        })
        .await
}

/// The server's count, of one point in time; where there are too many for it, or what is shown is not
/// made of nodes, one by one.
async fn count_below(client: &Client, path: &ZnodePath) -> anyhow::Result<u64> {
    match client.count(path).await {
        Err(error) if error.is(ErrorCode::TooLarge) || is_reserved(path) => {}
        counted => return Ok(counted?),
    }
    let bar = output::counter("nodes");
    let mut walk = Walk::new(client, path.clone()).without_reserved();
    let mut count = 0;
    while let Some(met) = walk.next().await? {
        count += u64::from(met.depth > 0);
        bar.set_position(count);
    }
    bar.finish_and_clear();
    Ok(count)
}

pub(super) async fn ephemerals(listed: Ephemerals, console: &Console) -> anyhow::Result<()> {
    let under = listed.path.clone().unwrap_or_else(|| console.here());
    console
        .in_session(async |client| {
            let client = fresh(client, listed.fresh).await?;
            let mut page = PathsPage::default();
            loop {
                let list = client.ephemerals_page(listed.session, &under, page).await?;
                for path in &list.paths {
                    console.say(path, json!(path.as_str()))?;
                }
                let after = list.paths.last().cloned();
                if !list.more || after.is_none() {
                    return Ok(());
                }
                page = PathsPage { after, limit: 0 };
            }
        })
        .await
}
