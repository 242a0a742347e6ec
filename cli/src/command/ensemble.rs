//! `zareba ensemble`: the members, and how they change. Decides nothing that the leader decides.

mod status;

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use zareba_client::model::{EnsembleChange, ServerId};
use zareba_client::{Client, ENSEMBLE_PATH, Invitation};

use crate::args::EnsembleCommand;
use crate::console::Console;
use crate::profile;

/// How long a change may take to be settled.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn run(command: EnsembleCommand, console: &Console) -> anyhow::Result<u8> {
    let change = match command {
        EnsembleCommand::Status => return status::run(&console.ensemble, console.format).await,
        EnsembleCommand::Add { ttl, observer, .. } => {
            add(ttl, !observer, console).await?;
            return Ok(0);
        }
        EnsembleCommand::Remove { server } => EnsembleChange::Remove {
            server: ServerId(server),
        },
        EnsembleCommand::Promote {
            server,
            weight,
            group,
        } => EnsembleChange::Promote {
            server: ServerId(server),
            weight,
            group,
        },
        EnsembleCommand::Demote { server } => EnsembleChange::Demote {
            server: ServerId(server),
        },
        EnsembleCommand::Replace { old, new } => EnsembleChange::Replace {
            old: ServerId(old),
            new: ServerId(new),
        },
        EnsembleCommand::Move {
            server,
            peer_address,
            client_address,
        } => EnsembleChange::Move {
            server: ServerId(server),
            peer_address,
            client_address,
        },
    };
    let version = console
        .in_session(async |client| {
            let version = client.change_ensemble(change, None).await?;
            settled(client, version).await
        })
        .await?;
    console.say(
        format!("done version={version}"),
        json!({ "settled": true, "version": version }),
    )?;
    Ok(0)
}

/// Makes a token and prints it.
async fn add(ttl: Duration, voter: bool, console: &Console) -> anyhow::Result<()> {
    let invitation = Invitation::new(&profile::load(&console.ensemble)?)?;
    let invitation = console
        .in_session(async |client| {
            let invitation = invitation.at(members(&shown(client).await?));
            client.invite(&invitation, voter, ttl).await?;
            Ok(invitation)
        })
        .await?;
    let role = if voter { "voter" } else { "observer" };
    console.say(
        &invitation,
        json!({
            "token": invitation.to_string(),
            "role": role,
            "ttl_ms": u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        }),
    )
}

/// What the ensemble's node shows.
async fn shown(client: &Client) -> anyhow::Result<Value> {
    let (data, _) = client.get(ENSEMBLE_PATH).await?;
    parse(&data)
}

fn parse(data: &[u8]) -> anyhow::Result<Value> {
    serde_json::from_slice(data).with_context(|| format!("{ENSEMBLE_PATH} does not hold JSON"))
}

/// Where clients reach the members that are shown.
fn members(shown: &Value) -> Vec<String> {
    let members = shown.get("members").and_then(Value::as_array);
    let members = members.into_iter().flatten();
    let addresses = members.filter_map(|it| it.get("client_address")?.as_str());
    addresses
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Waits until a change is settled, and returns the version that settled it.
async fn settled(client: &Client, from: u64) -> anyhow::Result<u64> {
    let waiting = async {
        loop {
            let (data, stat, changed) = client.get_and_watch(ENSEMBLE_PATH).await?;
            let shown = parse(&data)?;
            let is_settled = shown.get("outgoing").is_none_or(Value::is_null);
            if is_settled && stat.version >= from {
                return Ok(stat.version);
            }
            // However it ends, the node is looked at again.
            let _ended = changed.await;
        }
    };
    match tokio::time::timeout(SETTLED_WITHIN, waiting).await {
        Ok(version) => version,
        Err(_) => bail!(
            "the change is in force as version {from}, but not settled after {SETTLED_WITHIN:?}: \
             a quorum of the members before and one of those after must agree; see `zareba \
             ensemble status` for who is down"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_the_members_whose_addresses_are_known() {
        let shown = json!({ "members": [
            { "server": 1, "client_address": "a:1" },
            { "server": 2, "client_address": "" },
            { "server": 3, "client_address": "c:3" },
        ]});
        assert_eq!(members(&shown), ["a:1", "c:3"]);
    }
}
