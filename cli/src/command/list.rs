//! `ls` and `count`: what lies below a node.

use std::time::{Duration, SystemTime};

use serde_json::json;
use zareba_client::Client;
use zareba_client::model::{ChildrenPage, Lifetime, Stat, ZnodePath};

use super::data::{fresh, stat_of};
use super::walk::Walk;
use crate::args::{Format, Ls};
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

pub(super) async fn count(
    path: Option<ZnodePath>,
    recursive: bool,
    console: &Console,
) -> anyhow::Result<()> {
    let path = path.unwrap_or_else(|| console.here());
    console
        .in_session(async |client| {
            let count = if recursive {
                let bar = output::counter("nodes");
                let mut walk = Walk::new(client, path.clone());
                let mut count = 0;
                while let Some(met) = walk.next().await? {
                    count += u64::from(met.depth > 0);
                    bar.set_position(count);
                }
                bar.finish_and_clear();
                count
            } else {
                stat_of(client, &path).await?.num_children
            };
            console.say(count, json!({ "path": path.as_str(), "count": count }))
        })
        .await
}
