//! `zareba ensemble status`: the members as the servers that answer know them, without a session, so
//! that it works without a quorum too.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use zareba_client::model::{Ensemble as Members, Member, MemberRole, ServerId};
use zareba_client::{Profile, ServerStatus, Zxid};

use crate::args::{Ensemble, Format};
use crate::{exit, output, profile};

/// How long one server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(ensemble: &Ensemble, format: Format) -> anyhow::Result<u8> {
    let profile = profile::load(ensemble)?;
    let endpoints = profile.endpoints.join(", ");
    let statuses = ask_all(profile).await?;
    let newest = statuses.values().map(|status| &status.ensemble);
    let Some(members) = newest.max_by_key(|ensemble| ensemble.version).cloned() else {
        anyhow::bail!(zareba_client::Error::Unreachable {
            endpoints,
            reason: "no answer".to_owned(),
        });
    };
    let leader = statuses
        .values()
        .filter(|status| status.role == "leading")
        .max_by_key(|status| status.epoch);
    match format {
        Format::Json => output::line(as_json(&members, &statuses, leader))?,
        Format::Text => show(&members, &statuses, leader)?,
    }
    let code = if leader.is_some() {
        0
    } else {
        exit::UNREACHABLE
    };
    Ok(code)
}

/// What all servers say that can be found: those of the profile, and those that they know of.
async fn ask_all(profile: Profile) -> anyhow::Result<BTreeMap<ServerId, ServerStatus>> {
    let mut statuses = BTreeMap::new();
    let mut asked = Profile {
        endpoints: Vec::new(),
        ..profile.clone()
    };
    asked.endpoints.clone_from(&profile.endpoints);
    for _ in 0..2 {
        for status in asked.server_status(PATIENCE).await?.into_iter().flatten() {
            statuses.insert(status.server, status);
        }
        let known = statuses
            .values()
            .map(|status: &ServerStatus| &status.ensemble);
        let Some(newest) = known.max_by_key(|ensemble| ensemble.version) else {
            break;
        };
        let silent = newest.everybody().into_iter().filter(|(server, member)| {
            !statuses.contains_key(server) && !member.client_address.is_empty()
        });
        asked.endpoints = silent.map(|(_, it)| it.client_address.clone()).collect();
    }
    Ok(statuses)
}

fn show(
    members: &Members,
    statuses: &BTreeMap<ServerId, ServerStatus>,
    leader: Option<&ServerStatus>,
) -> anyhow::Result<()> {
    let header = [
        "SERVER", "ROLE", "STATE", "APPLIED", "LAG", "VOTES", "PEERS", "CLIENTS",
    ];
    let rows = members.everybody().into_iter().map(|(server, member)| {
        let status = statuses.get(&server);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let lag = status.and_then(|status| lag(leader?.applied, status.applied));
        let address = |address: &str| match address {
            "" => "?".to_owned(),
            known => known.to_owned(),
        };
        [
            server.to_string(),
            role(members, server, member),
            status.map_or_else(|| "unreachable".to_owned(), |it| it.role.clone()),
            or_dash(status.map(|status| status.applied.to_string())),
            or_dash(lag.map(|lag| lag.to_string())),
            or_dash(status.map(|status| yes_or_no(status.may_vote).to_owned())),
            address(&member.peer_address),
            address(&member.client_address),
        ]
    });
    output::line(output::table(header, rows.collect()))?;
    let under_way = match &members.outgoing {
        None => String::new(),
        Some(_) => ", a change of voters is under way".to_owned(),
    };
    output::line(format!("version {}{under_way}", members.version))
}

fn as_json(
    members: &Members,
    statuses: &BTreeMap<ServerId, ServerStatus>,
    leader: Option<&ServerStatus>,
) -> Value {
    let rows = members.everybody().into_iter().map(|(server, member)| {
        let status = statuses.get(&server);
        let (weight, group) = match member.role {
            MemberRole::Voter { weight, group } => (Some(weight), Some(group)),
            MemberRole::Observer => (None, None),
        };
        json!({
            "server": server.0,
            "role": if weight.is_some() { "voter" } else { "observer" },
            "weight": weight,
            "group": group,
            "leaving": !members.members.contains_key(&server),
            "up": status.is_some(),
            "state": status.map(|status| &status.role),
            "applied": status.map(|status| status.applied.to_string()),
            "lag": status.and_then(|status| lag(leader?.applied, status.applied)),
            "may_vote": status.map(|status| status.may_vote),
            "peer_address": member.peer_address,
            "client_address": member.client_address,
        })
    });
    json!({
        "version": members.version,
        "changing": members.outgoing.is_some(),
        "leader": leader.map(|leader| leader.server.0),
        "members": rows.collect::<Vec<_>>(),
    })
}

/// How many transactions a server is behind; unknown across epochs.
fn lag(leader: Zxid, server: Zxid) -> Option<u32> {
    (leader.epoch == server.epoch).then(|| leader.counter.saturating_sub(server.counter))
}

fn role(members: &Members, server: ServerId, member: &Member) -> String {
    let role = match member.role {
        MemberRole::Observer => "observer".to_owned(),
        MemberRole::VOTER => "voter".to_owned(),
        MemberRole::Voter { weight, group } => format!("voter weight={weight} group={group}"),
    };
    match members.members.contains_key(&server) {
        true => role,
        false => format!("{role}, leaving"),
    }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_known_within_an_epoch_only() {
        assert_eq!(lag(Zxid::new(2, 9), Zxid::new(2, 4)), Some(5));
        assert_eq!(lag(Zxid::new(2, 9), Zxid::new(2, 11)), Some(0));
        assert_eq!(lag(Zxid::new(2, 9), Zxid::new(1, 4)), None);
    }
}
