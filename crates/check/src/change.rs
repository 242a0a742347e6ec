//! One change of the ensemble, in two halves, as payloads of which the broadcast core can ask what they
//! make of the ensemble. Knows no server's state.

use bytes::Bytes;
use zareba_model::{Ensemble, EnsembleChange, MemberRole, ServerId};

use crate::scope::SERVERS;

/// Begins a payload that changes the ensemble; no transaction does.
const MARK: u8 = b'!';

/// Which change of the ensemble is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Change {
    /// Server 3, an observer of two voters, becomes the third.
    Promote,
    /// Server 3, the leader of three voters, leaves.
    Remove,
    /// Server 3, an observer of two voters, takes the place of their leader, server 2.
    Replace,
    /// Server 3, an observer, takes the place of server 2, the only voter: a quorum before the change
    /// and one behind it need not share a server.
    HandOver,
}

impl Change {
    const ALL: [Self; 4] = [Self::Promote, Self::Remove, Self::Replace, Self::HandOver];

    /// The ensemble of that version: 0 before the change, 1 amid it, 2 behind it.
    pub(crate) fn ensemble(self, version: u64) -> Option<Ensemble> {
        let before = self.before();
        match version {
            0 => Some(before),
            1 => before.change(&self.change()).ok(),
            _ => before.change(&self.change()).ok()?.settled(),
        }
    }

    fn before(self) -> Ensemble {
        let observers = match self {
            Self::Promote | Self::Replace => &[3][..],
            Self::Remove => &[],
            Self::HandOver => &[1, 3],
        };
        let mut ensemble = Ensemble::of_voters(SERVERS);
        for (server, member) in &mut ensemble.members {
            if observers.contains(&server.0) {
                member.role = MemberRole::Observer;
            }
        }
        ensemble
    }

    fn change(self) -> EnsembleChange {
        let [_, second, third] = SERVERS;
        match self {
            Self::Promote => EnsembleChange::Promote {
                server: third,
                weight: 1,
                group: 0,
            },
            Self::Remove => EnsembleChange::Remove { server: third },
            Self::Replace | Self::HandOver => EnsembleChange::Replace {
                old: second,
                new: third,
            },
        }
    }

    /// What is proposed to come from version `now` to the next, if there is one that a quorum of
    /// level servers can commit.
    pub(crate) fn payload(self, next: u64, is_level: impl Fn(ServerId) -> bool) -> Option<Bytes> {
        let place = Self::ALL.iter().position(|it| *it == self)?;
        let payload = [MARK, u8::try_from(place).ok()?, u8::try_from(next).ok()?];
        let ensemble = ensemble_in(&payload)?;
        let commits = ensemble.is_quorum(is_level);
        commits.then(|| Bytes::copy_from_slice(&payload))
    }
}

/// The ensemble that a payload brings into force, if it is a change.
pub(crate) fn ensemble_in(payload: &[u8]) -> Option<Ensemble> {
    let [MARK, change, _] = payload else {
        return None;
    };
    let change = Change::ALL.get(usize::from(*change))?;
    version_in(payload).and_then(|version| change.ensemble(version))
}

/// Its version.
pub(crate) fn version_in(payload: &[u8]) -> Option<u64> {
    match payload {
        [MARK, _, version @ 1..=2] => Some(u64::from(*version)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_joint_before_it_is_settled() {
        for change in Change::ALL {
            for next in [1, 2] {
                let payload = change.payload(next, |_| true).unwrap();
                let ensemble = ensemble_in(&payload).unwrap();
                assert_eq!(ensemble.version, next);
                assert_eq!(ensemble.outgoing.is_some(), next == 1);
                assert_eq!(change.payload(next, |_| false), None);
            }
            assert_eq!(change.payload(3, |_| true), None);
        }
        assert_eq!(ensemble_in(b"a"), None);
    }
}
