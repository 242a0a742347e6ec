//! `zareba delete --recursive`: children before parents, in steps. Others can see it half done; what
//! goes meanwhile by itself is no failure, what is created meanwhile is one.

use anyhow::{Context, bail};
use serde_json::json;
use zareba_client::model::{Change, ErrorCode, ZnodePath};
use zareba_client::{Client, Error};

use super::steps::Step;
use super::walk::Walk;
use crate::console::Console;
use crate::output;

pub(super) async fn run(root: &ZnodePath, console: &Console) -> anyhow::Result<()> {
    if root.is_root() {
        bail!("the root cannot be deleted; name the nodes below it that should go");
    }
    console
        .in_session(async |client| {
            let mut removal = Removal {
                client,
                step: Step::default(),
                deleted: 0,
                bar: output::counter("nodes deleted"),
            };
            let all = removal.all(root).await;
            removal.bar.finish_and_clear();
            let deleted = removal.deleted;
            match deleted {
                0 => all?,
                some => {
                    all.with_context(|| format!("{some} nodes were deleted, then it failed"))?
                }
            }
            console.say(
                format!("deleted {deleted} nodes"),
                json!({ "deleted": root.as_str(), "nodes": deleted }),
            )
        })
        .await
}

struct Removal<'a> {
    client: &'a Client,
    step: Step,
    deleted: u64,
    bar: indicatif::ProgressBar,
}

impl Removal<'_> {
    async fn all(&mut self, root: &ZnodePath) -> anyhow::Result<()> {
        let mut walk = Walk::new(self.client, root.clone());
        // Met, with nodes below that may not be met yet.
        let mut above: Vec<ZnodePath> = Vec::new();
        while let Some(met) = walk.next().await? {
            while above.len() > met.depth
                && let Some(path) = above.pop()
            {
                self.delete(path).await?;
            }
            above.push(met.path);
        }
        while let Some(path) = above.pop() {
            self.delete(path).await?;
        }
        self.make_step().await
    }

    async fn delete(&mut self, path: ZnodePath) -> anyhow::Result<()> {
        let version = None;
        self.step.push(Change::Delete { path, version });
        match self.step.is_full() {
            true => self.make_step().await,
            false => Ok(()),
        }
    }

    async fn make_step(&mut self) -> anyhow::Result<()> {
        let mut changes = self.step.take().changes;
        while !changes.is_empty() {
            let index = match self.client.multi(changes.clone()).await {
                Ok(_) => {
                    self.deleted += changes.len() as u64;
                    self.bar.set_position(self.deleted);
                    return Ok(());
                }
                Err(Error::Refused(fault)) if fault.code == ErrorCode::NoNode => {
                    fault.index.map_or(0, |index| index as usize)
                }
                Err(error) if error.is(ErrorCode::NotEmpty) => {
                    let why = "nodes were created meanwhile; run it again";
                    return Err(anyhow::Error::from(error).context(why));
                }
                Err(error) => return Err(error.into()),
            };
            // Somebody else was faster.
            changes.remove(index.min(changes.len() - 1));
        }
        Ok(())
    }
}
