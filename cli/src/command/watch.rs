//! `zareba watch`: every event of a node, or of a whole subtree, a line each, wherever the session goes.

use serde_json::json;
use zareba_client::Client;
use zareba_client::model::{Event, EventKind};

use super::interrupted;
use crate::args::{Format, Watch};
use crate::console::Console;
use crate::output;

pub(super) async fn run(watch: Watch, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let is_own_session = console.shared_session().is_none();
            tokio::select! {
                followed = follow(&watch, client, console) => followed,
                // The session is closed then; the shell's goes on.
                interrupted = interrupted(), if is_own_session => interrupted,
            }
        })
        .await
}

async fn follow(watch: &Watch, client: &Client, console: &Console) -> anyhow::Result<()> {
    let mut added = match watch.recursive {
        true => client.watch_recursive(&watch.path),
        false => client.watch(&watch.path),
    };
    if let Some(since) = watch.since {
        added = added.since(since);
    }
    let mut events = added.await?;
    let mut told = 0;
    while watch.events.is_none_or(|limit| told < limit)
        && let Some(event) = events.next().await
    {
        let event = event?;
        if is_wanted(event.kind, watch) {
            show(&event, console)?;
            told += 1;
        }
    }
    Ok(())
}

/// A watch that stays tells of a node's data and of its list of children alike.
fn is_wanted(kind: EventKind, watch: &Watch) -> bool {
    match kind {
        EventKind::Changed => !watch.children,
        EventKind::ChildrenChanged => watch.children,
        EventKind::Created | EventKind::Deleted | EventKind::Resync => true,
    }
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
    console.say(text, value)?;
    if event.kind == EventKind::Resync && console.format == Format::Text {
        output::note("what happened before cannot be said any more: look again at what is watched");
    }
    Ok(())
}
