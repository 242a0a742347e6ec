//! `zareba watch`: a one-time watch left anew after each event, so that changes in quick
//! succession show as one.

use serde_json::json;
use zareba_client::model::{Event, EventKind};

use crate::args::Watch;
use crate::console::Console;

pub(super) async fn run(watch: Watch, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let mut told = 0;
            while watch.events.is_none_or(|events| told < events) {
                let event = if watch.children {
                    let (_, watch) = client.children_and_watch(&watch.path).await?;
                    watch.await?
                } else {
                    let (_, watch) = client.exists_and_watch(&watch.path).await?;
                    watch.await?
                };
                show(&event, console)?;
                told += 1;
                if watch.children && event.kind == EventKind::Deleted {
                    break;
                }
            }
            Ok(())
        })
        .await
}

fn show(event: &Event, console: &Console) -> anyhow::Result<()> {
    let kind = match event.kind {
        EventKind::Created => "created",
        EventKind::Changed => "changed",
        EventKind::Deleted => "deleted",
        EventKind::ChildrenChanged => "children-changed",
        EventKind::Resync => "resync",
    };
    let text = format!("{} {kind} {}", event.zxid, event.path);
    let value = json!({
        "zxid": event.zxid.to_string(),
        "kind": kind,
        "path": event.path.as_str(),
    });
    console.say(text, value)
}
