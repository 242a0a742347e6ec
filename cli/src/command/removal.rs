//! `zareba delete --recursive`: the servers delete, children before parents, as much as one transaction
//! may; it is asked for until nothing is left. What others create meanwhile goes too.

use anyhow::{Context, bail};
use serde_json::json;
use zareba_client::Client;
use zareba_client::model::{ErrorCode, ZnodePath};

use crate::console::Console;
use crate::output;

pub(super) async fn run(root: &ZnodePath, console: &Console) -> anyhow::Result<()> {
    if root.is_root() {
        bail!("the root cannot be deleted; name the nodes below it that should go");
    }
    console
        .in_session(async |client| {
            let deleted = all(client, root).await?;
            console.say(
                format!("deleted {deleted} nodes"),
                json!({ "deleted": root.as_str(), "nodes": deleted }),
            )
        })
        .await
}

async fn all(client: &Client, root: &ZnodePath) -> anyhow::Result<u64> {
    let bar = output::counter("nodes deleted");
    let mut deleted = 0;
    let ended = loop {
        match client.delete_some(root).await {
            Ok((some, more)) => {
                deleted += some;
                bar.set_position(deleted);
                if !more {
                    break Ok(deleted);
                }
            }
            // Somebody else has deleted the rest.
            Err(error) if deleted > 0 && error.is(ErrorCode::NoNode) => break Ok(deleted),
            Err(error) => break Err(error),
        }
    };
    bar.finish_and_clear();
    match deleted {
        0 => Ok(ended?),
        some => ended.with_context(|| format!("{some} nodes were deleted, then it failed")),
    }
}
