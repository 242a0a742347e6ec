//! `zareba multi`: changes from JSON lines, all or none.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use zareba_client::model::limits::MULTI_OPS_MAX;
use zareba_client::model::{Change, Outcome};

use super::changes::ChangeRecord;
use super::lines::Lines;
use crate::console::Console;
use crate::output;

pub(super) async fn run(file: Option<&Path>, console: &Console) -> anyhow::Result<()> {
    let changes = read(match file {
        Some(path) => Lines::of_file(path)?,
        None => {
            let input = console.standard_input()?;
            Lines::new("standard input".to_owned(), Box::new(input))
        }
    })?;
    console
        .in_session(async |client| {
            let outcomes = client.multi(changes.clone()).await?;
            for (outcome, change) in outcomes.iter().zip(&changes) {
                let (text, value) = answer(outcome, change);
                console.say(text, value)?;
            }
            Ok(())
        })
        .await
}

fn read(mut lines: Lines) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    while let Some(line) = lines.next()? {
        if changes.len() == MULTI_OPS_MAX {
            bail!("a multi has at most {MULTI_OPS_MAX} changes; make several of it");
        }
        let record: ChangeRecord = lines
            .read(&line)
            .context("see `zareba multi --help` for what a line holds")?;
        let place = || format!("cannot use {}", lines.place());
        changes.push(record.read().with_context(place)?);
    }
    if changes.is_empty() {
        bail!("no change was given; one in each line is expected, see `zareba multi --help`");
    }
    Ok(changes)
}

fn answer(outcome: &Outcome, change: &Change) -> (String, Value) {
    let path = change.path();
    match outcome {
        Outcome::Set(stat) if matches!(change, Change::SetAcl { .. }) => (
            format!("set the list of {path} version {}", stat.aversion),
            json!({ "op": "set-acl", "path": path.as_str(), "stat": output::stat_json(stat) }),
        ),
        Outcome::Created { path, stat } => (
            format!("created {path}"),
            json!({ "op": "create", "path": path.as_str(), "stat": output::stat_json(stat) }),
        ),
        Outcome::Set(stat) => (
            format!("set {path} version {}", stat.version),
            json!({ "op": "set", "path": path.as_str(), "stat": output::stat_json(stat) }),
        ),
        Outcome::Deleted => (
            format!("deleted {path}"),
            json!({ "op": "delete", "path": path.as_str() }),
        ),
        _ => (
            format!("checked {path}"),
            json!({ "op": "check", "path": path.as_str() }),
        ),
    }
}
