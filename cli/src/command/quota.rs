//! `zareba quota`: how much subtrees may hold, and what they do.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use zareba_client::model::{ErrorCode, Fault, Quota, Usage, ZnodePath};
use zareba_client::{Client, Error};

use crate::args::{Format, QuotaCommand, QuotaSet};
use crate::console::Console;
use crate::output;

/// Where the ensemble shows its quotas, each under its path as one name.
const QUOTAS: &str = "/zareba/quotas";

/// Quotas asked about together.
const AHEAD_MAX: usize = 64;

pub(super) async fn run(command: QuotaCommand, console: &Console) -> anyhow::Result<()> {
    match command {
        QuotaCommand::Get { path } => get(path, console).await,
        QuotaCommand::Set(set) => self::set(set, console).await,
        QuotaCommand::Rm { path } => rm(&path, console).await,
        QuotaCommand::List => list(console).await,
    }
}

/// A node's own limits, and what is used of them.
struct Limited {
    path: ZnodePath,
    quota: Quota,
    usage: Usage,
}

async fn get(path: ZnodePath, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let Some((quota, usage)) = client.quota(&path).await? else {
                let why = format!("{path} has no limits of its own");
                return Err(Error::Refused(Fault::new(ErrorCode::NoNode, why)).into());
            };
            show(vec![Limited { path, quota, usage }], console)
        })
        .await
}

async fn set(QuotaSet { path, limits }: QuotaSet, console: &Console) -> anyhow::Result<()> {
    let quota = Quota {
        nodes_soft: limits.nodes_soft,
        nodes_hard: limits.nodes_hard,
        bytes_soft: limits.bytes_soft,
        bytes_hard: limits.bytes_hard,
    };
    console
        .in_session(async |client| {
            client.set_quota(&path, quota).await?;
            let usage = client.quota(&path).await?.map(|(_, usage)| usage);
            let usage = usage.with_context(|| format!("the limits of {path} were taken away"))?;
            show(vec![Limited { path, quota, usage }], console)
        })
        .await
}

async fn rm(path: &ZnodePath, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            client.remove_quota(path).await?;
            match console.format {
                Format::Text => Ok(()),
                Format::Json => output::line(json!({ "removed": path.as_str() })),
            }
        })
        .await
}

async fn list(console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| show(all(client).await?, console))
        .await
}

/// All of them; those that come or go meanwhile may or may not be among them.
async fn all(client: &Client) -> anyhow::Result<Vec<Limited>> {
    let names = client.children(QUOTAS).await?;
    let asked = names.into_iter().map(|name| async move {
        let path = ZnodePath::parse(&unescape(&name))?;
        let found = client.quota(&path).await?;
        anyhow::Ok(found.map(|(quota, usage)| Limited { path, quota, usage }))
    });
    let mut answers = futures::stream::iter(asked).buffered(AHEAD_MAX);
    let mut all = Vec::new();
    while let Some(limited) = answers.try_next().await? {
        all.extend(limited);
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(all)
}

/// The path that a name stands for.
fn unescape(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

fn show(limited: Vec<Limited>, console: &Console) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for one in limited {
        match console.format {
            Format::Json => output::line(to_json(&one))?,
            Format::Text => rows.push(row(&one)),
        }
    }
    let header = [
        "PATH", "NODES", "SOFT", "HARD", "BYTES", "SOFT", "HARD", "STATE",
    ];
    match (console.format, rows.is_empty()) {
        (Format::Json, _) => Ok(()),
        (Format::Text, true) => {
            output::note("there are no limits; `zareba quota set` makes some");
            Ok(())
        }
        (Format::Text, false) => output::line(output::table(header, rows)),
    }
}

fn row(Limited { path, quota, usage }: &Limited) -> [String; 8] {
    let limit = |limit: Option<u64>| limit.map_or("-".to_owned(), |limit| limit.to_string());
    [
        path.to_string(),
        usage.nodes.to_string(),
        limit(quota.nodes_soft),
        limit(quota.nodes_hard),
        usage.bytes.to_string(),
        limit(quota.bytes_soft),
        limit(quota.bytes_hard),
        state(quota, *usage).to_owned(),
    ]
}

fn to_json(Limited { path, quota, usage }: &Limited) -> Value {
    json!({
        "path": path.as_str(),
        "nodes": usage.nodes,
        "nodesSoft": quota.nodes_soft,
        "nodesHard": quota.nodes_hard,
        "bytes": usage.bytes,
        "bytesSoft": quota.bytes_soft,
        "bytesHard": quota.bytes_hard,
        "state": state(quota, *usage),
    })
}

fn state(quota: &Quota, usage: Usage) -> &'static str {
    if quota.forbids(usage) {
        "over-hard"
    } else if quota.warns_of(usage) {
        "over-soft"
    } else {
        "ok"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_again() {
        assert_eq!(unescape("%2Fapp%2Fjobs"), "/app/jobs");
        assert_eq!(unescape("%2F100%25"), "/100%");
        assert_eq!(unescape("%2F%252F"), "/%2F");
    }
}
