//! The ensemble that a run begins with, and the operator who changes it. Must never know a server's
//! state: the operator sees what the history says, as a status command would tell.

use zareba_model::{Ensemble, EnsembleChange, EnsembleOp, Member, MemberRole, Op, ServerId, Write};

use crate::dice::Dice;

/// How voters' words count in the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Votes {
    /// All alike.
    #[default]
    Equal,
    /// Some more than others; of more than three, one not at all.
    Weighted,
    /// In groups, of which more than half must agree.
    Grouped,
}

/// The members of the first hour: voters first, then observers.
pub(crate) fn ensemble(voters: usize, observers: usize, votes: Votes) -> Ensemble {
    let mut ensemble = Ensemble::of_voters((1..=(voters + observers) as u64).map(ServerId));
    for (place, member) in ensemble.members.values_mut().enumerate() {
        let (weight, group) = match votes {
            Votes::Equal => (1, 0),
            Votes::Weighted if place == 0 => (2, 0),
            Votes::Weighted if place == 3 => (0, 0),
            Votes::Weighted => (1, 0),
            Votes::Grouped => (1, place as u32 % 3),
        };
        member.role = if place < voters {
            MemberRole::Voter { weight, group }
        } else {
            MemberRole::Observer
        };
    }
    ensemble
}

/// What the operator of an ensemble of at most so many servers asks next.
pub(crate) fn change(ensemble: &Ensemble, places: usize, dice: &mut Dice) -> Op {
    let server = ServerId(dice.between(1, places as u64));
    let member = ensemble.members.get(&server);
    let change = match member.map(|Member { role, .. }| role) {
        // A number is not given twice: of a server that has left, this is refused.
        None => add(server),
        _ if dice.percent(15) => moved(server),
        Some(MemberRole::Observer) => match dice.below(5) {
            0 => EnsembleChange::Remove { server },
            1 => replace(server, ensemble, dice),
            _ => promote(server, dice),
        },
        Some(MemberRole::Voter { .. }) => match dice.below(4) {
            0 => EnsembleChange::Demote { server },
            1 => EnsembleChange::Remove { server },
            _ => observer_in_place_of(server, ensemble),
        },
    };
    let version = dice.percent(30).then_some(ensemble.version);
    Op::Write(Write::Ensemble(EnsembleOp::Change { change, version }))
}

fn add(server: ServerId) -> EnsembleChange {
    EnsembleChange::Add {
        server,
        peer_address: format!("server-{server}.sim:1"),
        client_address: format!("server-{server}.sim:2"),
    }
}

fn moved(server: ServerId) -> EnsembleChange {
    EnsembleChange::Move {
        server,
        peer_address: format!("elsewhere-{server}.sim:1"),
        client_address: format!("elsewhere-{server}.sim:2"),
    }
}

fn promote(server: ServerId, dice: &mut Dice) -> EnsembleChange {
    EnsembleChange::Promote {
        server,
        weight: dice.pick(&[1, 1, 1, 2, 0]).unwrap_or(1),
        group: 0,
    }
}

/// The observer takes some voter's place.
fn replace(new: ServerId, ensemble: &Ensemble, dice: &mut Dice) -> EnsembleChange {
    let voters: Vec<ServerId> = ensemble.voters().into_iter().collect();
    let old = dice.pick(&voters).unwrap_or(new);
    EnsembleChange::Replace { old, new }
}

/// Some observer takes the voter's place, or it goes if there is none.
fn observer_in_place_of(old: ServerId, ensemble: &Ensemble) -> EnsembleChange {
    let mut members = ensemble.members.iter();
    match members.find(|(_, it)| it.role == MemberRole::Observer) {
        Some((new, _)) => EnsembleChange::Replace { old, new: *new },
        None => EnsembleChange::Remove { server: old },
    }
}
