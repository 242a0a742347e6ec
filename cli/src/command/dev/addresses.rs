//! Tells the ensemble where its servers are, if they were elsewhere when it ran last. Knows nothing of
//! how servers find each other meanwhile.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use zareba_client::model::EnsembleChange;
use zareba_client::{Client, ENSEMBLE_PATH};

use super::Place;

/// How long enough servers may take to come level, which the ensemble asks of every change.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Changes every address that is not the recorded one.
pub(super) async fn tell(client: &Client, places: &[Place]) -> anyhow::Result<()> {
    let deadline = crate::clock::now() + PATIENCE;
    let mut moved = moved(client, places).await?;
    while !moved.is_empty() {
        let mut refused = None;
        // An address may be free only when the one who had it before has moved: hence all in turn.
        for change in moved {
            refused = client.change_ensemble(change, None).await.err().or(refused);
        }
        moved = self::moved(client, places).await?;
        match refused {
            Some(error) if crate::clock::now() >= deadline => return Err(error.into()),
            Some(_) => tokio::time::sleep(PAUSE).await,
            None => {}
        }
    }
    Ok(())
}

/// What the ensemble would have to change.
async fn moved(client: &Client, places: &[Place]) -> anyhow::Result<Vec<EnsembleChange>> {
    let (shown, _) = client.get(ENSEMBLE_PATH).await?;
    let shown: Value = serde_json::from_slice(&shown)
        .with_context(|| format!("{ENSEMBLE_PATH} does not hold JSON"))?;
    let members = shown.get("members").and_then(Value::as_array);
    let Some(members) = members.filter(|members| !members.is_empty()) else {
        // It is about to be written down for the first time, as these places are.
        return Ok(Vec::new());
    };
    let mut moved = Vec::new();
    for place in places {
        let is_it = |member: &&Value| member.get("server") == Some(&place.id.0.into());
        let member = members.iter().find(is_it);
        ensure!(
            member.is_some(),
            "server {} is no member of the ensemble that is kept in this data directory, which has \
             {}; give --servers {} or another --data-dir",
            place.id,
            members.len(),
            members.len()
        );
        let (peer, client) = (place.peer.to_string(), place.client.to_string());
        let has = |name: &str, address: &str| {
            member.and_then(|it| it.get(name)).and_then(Value::as_str) == Some(address)
        };
        if !has("peer_address", &peer) || !has("client_address", &client) {
            moved.push(EnsembleChange::Move {
                server: place.id,
                peer_address: peer,
                client_address: client,
            });
        }
    }
    Ok(moved)
}
