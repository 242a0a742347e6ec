//! `zareba watch`: a one-time watch left anew after each event, so that changes in quick
//! succession show as one.

use serde_json::json;
use zareba_client::model::{Event, EventKind};

use crate::args::{Ensemble, Format, Watch};
use crate::output::say;
use crate::profile::in_session;

pub(super) async fn run(watch: Watch, ensemble: &Ensemble, format: Format) -> anyhow::Result<()> {
    in_session(ensemble, async |client| {
        let mut told = 0;
        while watch.events.is_none_or(|events| told < events) {
            let event = if watch.children {
                let (_, watch) = client.children_and_watch(&watch.path).await?;
                watch.await?
            } else {
                let (_, watch) = client.exists_and_watch(&watch.path).await?;
                watch.await?
            };
            show(&event, format)?;
            told += 1;
            if watch.children && event.kind == EventKind::Deleted {
                break;
            }
        }
        Ok(())
    })
    .await
}

fn show(event: &Event, format: Format) -> anyhow::Result<()> {
    let kind = match event.kind {
        EventKind::Created => "created",
        EventKind::Changed => "changed",
        EventKind::Deleted => "deleted",
        EventKind::ChildrenChanged => "children-changed",
    };
    let text = format!("{} {kind} {}", event.zxid, event.path);
    let value = json!({
        "zxid": event.zxid.to_string(),
        "kind": kind,
        "path": event.path.as_str(),
    });
    say(format, text, value)
}
