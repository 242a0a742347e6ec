//! Ensembles as payloads, and the upper room that changes them: one change at a time, joint before
//! settled, refused when too few would be level.

use zareba_model::{Ensemble, EnsembleChange, Member, MemberRole, Members, ServerId};
use zareba_zab::Zab;

use crate::rng::Rng;

/// `!VERSION ID=WEIGHT/GROUP ID=o;ID=...`: the members, and behind `;` those before them.
pub fn encode(ensemble: &Ensemble) -> String {
    let side = |members: &Members| {
        let words = members.iter().map(|(id, member)| match member.role {
            MemberRole::Voter { weight, group } => format!(" {id}={weight}/{group}"),
            MemberRole::Observer => format!(" {id}=o"),
        });
        words.collect::<String>()
    };
    let outgoing = ensemble.outgoing.as_ref();
    let outgoing = outgoing.map(|members| format!(";{}", side(members)));
    let (version, members) = (ensemble.version, side(&ensemble.members));
    format!("!{version}{members}{}", outgoing.unwrap_or_default())
}

/// The inverse; `None` for any other payload.
pub fn decode(payload: &[u8]) -> Option<Ensemble> {
    let text = std::str::from_utf8(payload).ok()?.strip_prefix('!')?;
    let (version, members) = text.split_once(' ')?;
    let (members, outgoing) = match members.split_once(';') {
        Some((members, outgoing)) => (members, Some(outgoing)),
        None => (members, None),
    };
    Some(Ensemble {
        version: version.parse().ok()?,
        members: members.split_whitespace().filter_map(member).collect(),
        outgoing: outgoing.map(|all| all.split_whitespace().filter_map(member).collect()),
    })
}

fn member(word: &str) -> Option<(ServerId, Member)> {
    let (id, role) = word.split_once('=')?;
    let role = match role.split_once('/') {
        Some((weight, group)) => voter(weight.parse().ok()?, group.parse().ok()?),
        None => MemberRole::Observer,
    };
    Some((ServerId(id.parse().ok()?), with_role(role)))
}

pub fn voter(weight: u32, group: u32) -> MemberRole {
    MemberRole::Voter { weight, group }
}

pub fn with_role(role: MemberRole) -> Member {
    Member {
        role,
        peer_address: String::new(),
        client_address: String::new(),
    }
}

/// What the leader proposes next, if it proposes a change: the second half of one under way once the
/// first is `delivered`, otherwise, at random, a new one that leaves a quorum of level servers.
pub fn next_change(
    zab: &Zab,
    delivered: &Ensemble,
    everybody: &[ServerId],
    rng: &mut Rng,
) -> Option<Ensemble> {
    let now = zab.ensemble();
    if now != delivered {
        return None;
    }
    if let Some(settled) = now.settled() {
        return Some(settled);
    }
    if !rng.one_in(40) {
        return None;
    }
    let some = |rng: &mut Rng| everybody[rng.below(everybody.len() as u64) as usize];
    let (server, new) = (some(rng), some(rng));
    let change = match rng.below(10) {
        0..=2 => add(server),
        3..=5 => EnsembleChange::Promote {
            server,
            weight: [1, 1, 1, 2, 0][rng.below(5) as usize],
            group: 0,
        },
        6 => EnsembleChange::Demote { server },
        7..=8 => EnsembleChange::Replace { old: server, new },
        _ => EnsembleChange::Remove { server },
    };
    let next = now.change(&change).ok()?;
    let is_level = |server| zab.is_level(server);
    next.is_quorum(is_level).then_some(next)
}

pub fn add(server: ServerId) -> EnsembleChange {
    EnsembleChange::Add {
        server,
        peer_address: String::new(),
        client_address: String::new(),
    }
}

#[test]
fn an_ensemble_survives_its_payload() {
    let three = Ensemble::of_voters([1, 2, 3].map(ServerId));
    let with_observer = three.change(&add(ServerId(4))).unwrap();
    let promote = EnsembleChange::Promote {
        server: ServerId(4),
        weight: 2,
        group: 1,
    };
    let joint = with_observer.change(&promote).unwrap();
    for ensemble in [three, with_observer, joint.settled().unwrap(), joint] {
        assert_eq!(decode(encode(&ensemble).as_bytes()), Some(ensemble));
    }
    assert_eq!(decode(b"17"), None);
}
