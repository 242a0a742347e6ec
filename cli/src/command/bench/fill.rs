//! Fills an ensemble with small nodes in folders, over one session. Knows no server.

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use zareba_client::model::CreateMode;
use zareba_client::{Client, Multi, Profile};

use crate::args::Fill;
use crate::{clock, output};

/// Fills the ensemble; returns the seconds it took.
pub(super) async fn fill(profile: Profile, fill: &Fill) -> anyhow::Result<f64> {
    let started = clock::now();
    let client = Client::builder().profile(profile).connect().await?;
    let data = Bytes::from(vec![b'x'; fill.value_size]);
    let folders = fill.znodes.div_ceil(PER_FOLDER);
    let progress = output::progress("nodes", fill.znodes as u64);
    let batches = (0..folders).map(|folder| {
        let (client, data, progress) = (client.clone(), data.clone(), progress.clone());
        let count = PER_FOLDER.min(fill.znodes - folder * PER_FOLDER);
        async move {
            // The folder is one of the nodes.
            let parent = format!("/fill-{folder:06}");
            let created = client.create(parent.as_str(), "", CreateMode::Persistent);
            created.await?;
            let nodes: Vec<_> = (1..count).collect();
            let writes = nodes.chunks(usize::from(fill.per_write)).map(|nodes| {
                let mut write = Multi::new();
                for node in nodes {
                    let path = node_path(&parent, *node);
                    write = write.create(path, data.clone(), CreateMode::Persistent);
                }
                client.multi(write)
            });
            futures::future::try_join_all(writes).await?;
            progress.inc(count as u64);
            anyhow::Ok(())
        }
    });
    let filling = stream::iter(batches).buffer_unordered(BATCHES);
    filling.try_collect::<()>().await?;
    progress.finish_and_clear();
    client.close().await?;
    Ok(started.elapsed().as_secs_f64())
}

/// How long the paths of nearly all nodes are.
pub(super) fn path_bytes() -> usize {
    node_path(&format!("/fill-{:06}", 0), 1).len()
}

fn node_path(parent: &str, node: usize) -> String {
    format!("{parent}/node-{node:04}")
}

/// Nodes of one folder, itself included.
const PER_FOLDER: usize = 500;

/// Such folders at work.
const BATCHES: usize = 4;
