//! Who belongs to the ensemble and what counts as a quorum of it. Knows arithmetic only: no server's
//! state, no message, no way to make a change durable.
//!
//! A quorum is more than half of the weight in more than half of the groups, as ZooKeeper's
//! hierarchical quorums are (`QuorumHierarchical`); with one group and equal weights that is a plain
//! majority. While voters change, a quorum of the members before *and* one of the members after must
//! agree (joint consensus; Ongaro's thesis, section 4.3).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ServerId;

/// How a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MemberRole {
    /// Its word counts.
    Voter {
        /// How much; a member of weight 0 follows and never leads.
        weight: u32,
        /// With whom its weight is summed up.
        group: u32,
    },
    /// It is told what is committed, and serves reads; it counts in no quorum.
    Observer,
}

impl MemberRole {
    /// A voter among equals.
    pub const VOTER: Self = Self::Voter {
        weight: 1,
        group: 0,
    };
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// How it takes part.
    pub role: MemberRole,
    /// Where other servers reach it, `host:port`.
    pub peer_address: String,
    /// Where clients reach it, `host:port`.
    pub client_address: String,
}

/// The members by number.
pub type Members = BTreeMap<ServerId, Member>;

/// The ensemble as of one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ensemble {
    /// Rises with every change; of two, the higher is in force.
    pub version: u64,
    /// The members, as they are or are about to be.
    pub members: Members,
    /// While a change of voters is under way: the members before it.
    pub outgoing: Option<Members>,
}

/// One change of the ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EnsembleChange {
    /// A new member; it begins as an observer, whatever it is to be, because nobody knows yet that
    /// it is level.
    Add {
        /// Its number.
        server: ServerId,
        /// Where other servers reach it.
        peer_address: String,
        /// Where clients reach it.
        client_address: String,
    },
    /// A member leaves.
    Remove {
        /// Which.
        server: ServerId,
    },
    /// An observer becomes a voter.
    Promote {
        /// Which.
        server: ServerId,
        /// How much its word counts.
        weight: u32,
        /// With whom.
        group: u32,
    },
    /// A voter becomes an observer.
    Demote {
        /// Which.
        server: ServerId,
    },
    /// An observer takes a voter's place, weight and group; that one leaves.
    Replace {
        /// The voter.
        old: ServerId,
        /// The observer.
        new: ServerId,
    },
    /// A member is reached elsewhere.
    Move {
        /// Which.
        server: ServerId,
        /// Where other servers reach it from now on.
        peer_address: String,
        /// Where clients reach it from now on.
        client_address: String,
    },
}

/// Why a change makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnsembleError {
    /// Only one change at a time.
    #[error("another change of the ensemble is under way; wait until it is done")]
    UnderWay,
    /// No such member.
    #[error("server {0} is no member of the ensemble")]
    NoMember(ServerId),
    /// The number is taken.
    #[error("server {0} is a member already")]
    IsMember(ServerId),
    /// It votes already.
    #[error("server {0} is a voter already")]
    IsVoter(ServerId),
    /// It does not vote.
    #[error("server {0} is no voter")]
    IsObserver(ServerId),
    /// Nobody would be left whose word counts.
    #[error("no voter would be left")]
    NoVoter,
}

impl Ensemble {
    /// Equal voters, without addresses.
    pub fn of_voters(voters: impl IntoIterator<Item = ServerId>) -> Self {
        let member = Member {
            role: MemberRole::VOTER,
            peer_address: String::new(),
            client_address: String::new(),
        };
        Self {
            version: 0,
            members: voters.into_iter().map(|id| (id, member.clone())).collect(),
            outgoing: None,
        }
    }

    /// True if the servers for which `has` holds contain a quorum: of the members, and of those
    /// before them while a change is under way.
    pub fn is_quorum(&self, has: impl Fn(ServerId) -> bool) -> bool {
        let mut sides = [Some(&self.members), self.outgoing.as_ref()]
            .into_iter()
            .flatten();
        sides.all(|members| contains_quorum(members, &has))
    }

    /// True if that server's word counts, before or behind a change under way.
    pub fn is_voter(&self, server: ServerId) -> bool {
        self.sides()
            .any(|members| weight_of(members, server).is_some())
    }

    /// True if that server may be elected: a voter with weight.
    pub fn may_lead(&self, server: ServerId) -> bool {
        self.sides()
            .any(|members| weight_of(members, server).is_some_and(|weight| weight > 0))
    }

    /// True if that server takes part, before or behind a change under way.
    pub fn contains(&self, server: ServerId) -> bool {
        self.sides().any(|members| members.contains_key(&server))
    }

    /// All voters, before and behind a change under way.
    pub fn voters(&self) -> BTreeSet<ServerId> {
        let all = self.sides().flatten();
        all.filter(|(_, member)| matches!(member.role, MemberRole::Voter { .. }))
            .map(|(server, _)| *server)
            .collect()
    }

    /// All members, before and behind a change under way, as they are now described.
    pub fn everybody(&self) -> BTreeMap<ServerId, &Member> {
        let outgoing = self.outgoing.iter().flatten();
        outgoing
            .chain(&self.members)
            .map(|(server, member)| (*server, member))
            .collect()
    }

    /// This ensemble, with the members of an earlier one that are none of it any more among the
    /// outgoing ones. No quorum is to be counted in it: it says with whom to speak.
    #[must_use]
    pub fn with_leavers_of(&self, earlier: &Self) -> Self {
        let mut all = self.clone();
        if earlier.version >= self.version {
            return all;
        }
        for (server, member) in earlier.everybody() {
            if !self.contains(server) {
                let outgoing = all.outgoing.get_or_insert_default();
                outgoing.insert(server, member.clone());
            }
        }
        all
    }

    /// The ensemble while that change is under way, or right behind it if no quorum changes.
    pub fn change(&self, change: &EnsembleChange) -> Result<Self, EnsembleError> {
        if self.outgoing.is_some() {
            return Err(EnsembleError::UnderWay);
        }
        let mut members = self.members.clone();
        alter(&mut members, change)?;
        if !members
            .iter()
            .any(|(id, _)| weight_of(&members, *id) > Some(0))
        {
            return Err(EnsembleError::NoVoter);
        }
        let outgoing = (votes(&self.members) != votes(&members)).then(|| self.members.clone());
        Ok(Self {
            version: self.version + 1,
            members,
            outgoing,
        })
    }

    /// The ensemble behind the change that is under way; `None` if there is none.
    pub fn settled(&self) -> Option<Self> {
        self.outgoing.as_ref().map(|_| Self {
            version: self.version + 1,
            members: self.members.clone(),
            outgoing: None,
        })
    }

    fn sides(&self) -> impl Iterator<Item = &Members> {
        std::iter::once(&self.members).chain(&self.outgoing)
    }
}

/// More than half of the weight in more than half of the groups that have any.
fn contains_quorum(members: &Members, has: impl Fn(ServerId) -> bool) -> bool {
    let votes = members.iter().filter_map(|(server, it)| match it.role {
        MemberRole::Voter { weight, group } if weight > 0 => Some((*server, weight, group)),
        _ => None,
    });
    // Asked for every commit, hence without a table: the groups are taken one after the other.
    let (mut groups, mut won) = (0_usize, 0_usize);
    let mut next = votes.clone().map(|(_, _, group)| group).min();
    while let Some(current) = next {
        let (mut all, mut there) = (0_u64, 0_u64);
        next = None;
        for (server, weight, group) in votes.clone() {
            if group == current {
                all += u64::from(weight);
                there += if has(server) { u64::from(weight) } else { 0 };
            } else if group > current && next.is_none_or(|other| group < other) {
                next = Some(group);
            }
        }
        groups += 1;
        won += usize::from(there * 2 > all);
    }
    won * 2 > groups
}

fn weight_of(members: &Members, server: ServerId) -> Option<u32> {
    match members.get(&server)?.role {
        MemberRole::Voter { weight, .. } => Some(weight),
        MemberRole::Observer => None,
    }
}

fn votes(members: &Members) -> Vec<(ServerId, MemberRole)> {
    let roles = members
        .iter()
        .map(|(server, member)| (*server, member.role));
    roles
        .filter(|(_, role)| *role != MemberRole::Observer)
        .collect()
}

fn alter(members: &mut Members, change: &EnsembleChange) -> Result<(), EnsembleError> {
    match change {
        EnsembleChange::Add {
            server,
            peer_address,
            client_address,
        } => {
            let member = Member {
                role: MemberRole::Observer,
                peer_address: peer_address.clone(),
                client_address: client_address.clone(),
            };
            if members.insert(*server, member).is_some() {
                return Err(EnsembleError::IsMember(*server));
            }
        }
        EnsembleChange::Remove { server } => {
            members
                .remove(server)
                .ok_or(EnsembleError::NoMember(*server))?;
        }
        EnsembleChange::Promote {
            server,
            weight,
            group,
        } => {
            observer(members, *server)?.role = MemberRole::Voter {
                weight: *weight,
                group: *group,
            };
        }
        EnsembleChange::Demote { server } => {
            let member = member(members, *server)?;
            if member.role == MemberRole::Observer {
                return Err(EnsembleError::IsObserver(*server));
            }
            member.role = MemberRole::Observer;
        }
        EnsembleChange::Replace { old, new } => {
            let role = member(members, *old)?.role;
            if role == MemberRole::Observer {
                return Err(EnsembleError::IsObserver(*old));
            }
            observer(members, *new)?.role = role;
            members.remove(old);
        }
        EnsembleChange::Move {
            server,
            peer_address,
            client_address,
        } => {
            let member = member(members, *server)?;
            member.peer_address.clone_from(peer_address);
            member.client_address.clone_from(client_address);
        }
    }
    Ok(())
}

fn member(members: &mut Members, server: ServerId) -> Result<&mut Member, EnsembleError> {
    members
        .get_mut(&server)
        .ok_or(EnsembleError::NoMember(server))
}

fn observer(members: &mut Members, server: ServerId) -> Result<&mut Member, EnsembleError> {
    let member = member(members, server)?;
    if member.role == MemberRole::Observer {
        Ok(member)
    } else {
        Err(EnsembleError::IsVoter(server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(ensemble: &Ensemble, servers: &[u64]) -> bool {
        ensemble.is_quorum(|server| servers.contains(&server.0))
    }

    fn add(server: u64) -> EnsembleChange {
        EnsembleChange::Add {
            server: ServerId(server),
            peer_address: format!("host:{server}"),
            client_address: String::new(),
        }
    }

    fn promote(server: u64) -> EnsembleChange {
        EnsembleChange::Promote {
            server: ServerId(server),
            weight: 1,
            group: 0,
        }
    }

    #[test]
    fn those_who_leave_stay_with_whom_to_speak() {
        let before = Ensemble {
            version: 4,
            ..Ensemble::of_voters([1, 2, 3].map(ServerId))
        };
        let behind = Ensemble {
            version: 5,
            ..Ensemble::of_voters([1, 2].map(ServerId))
        };
        let all = behind.with_leavers_of(&before);
        assert!(all.contains(ServerId(3)) && !all.members.contains_key(&ServerId(3)));
        assert_eq!(behind.with_leavers_of(&behind), behind);
        // An earlier one that is a later one has nobody who leaves.
        assert_eq!(before.with_leavers_of(&behind), before);
    }

    #[test]
    fn a_quorum_of_equals_is_more_than_half() {
        let three = Ensemble::of_voters([1, 2, 3].map(ServerId));
        assert!(among(&three, &[1, 3]));
        assert!(!among(&three, &[1]));
        assert!(!among(&three, &[1, 9]));
        assert!(!among(&Ensemble::default(), &[1]));
    }

    #[test]
    fn weights_count_within_groups_and_groups_among_each_other() {
        let mut ensemble = Ensemble::of_voters((1..=9).map(ServerId));
        for (server, member) in &mut ensemble.members {
            let group = (server.0 as u32 - 1) / 3;
            let weight = if server.0 == 1 { 3 } else { 1 };
            member.role = MemberRole::Voter { weight, group };
        }
        // Server 1 outweighs the others of its group.
        assert!(among(&ensemble, &[1, 4, 5]));
        assert!(!among(&ensemble, &[2, 3, 4, 5]));
        assert!(!among(&ensemble, &[1, 4, 7]));
    }

    #[test]
    fn a_group_without_weight_does_not_count() {
        let mut ensemble = Ensemble::of_voters([1, 2, 3].map(ServerId));
        let zero = MemberRole::Voter {
            weight: 0,
            group: 7,
        };
        ensemble.members.get_mut(&ServerId(3)).unwrap().role = zero;
        assert!(among(&ensemble, &[1, 2]));
        assert!(!among(&ensemble, &[1, 3]));
        assert!(!ensemble.may_lead(ServerId(3)));
        assert!(ensemble.is_voter(ServerId(3)));
    }

    #[test]
    fn while_voters_change_both_sides_must_agree() {
        let three = Ensemble::of_voters([1, 2, 3].map(ServerId));
        let with_observer = three.change(&add(4)).unwrap();
        assert_eq!(with_observer.outgoing, None, "no quorum changes");
        let joint = with_observer.change(&promote(4)).unwrap();
        assert!(among(&joint, &[1, 2, 4]));
        assert!(among(&joint, &[1, 2, 3]));
        assert!(!among(&joint, &[1, 2]), "two of four");
        assert!(!among(&joint, &[1, 4, 9]), "one of three");
        assert_eq!(joint.change(&add(5)), Err(EnsembleError::UnderWay));
        let after = joint.settled().unwrap();
        assert!(among(&after, &[1, 2, 4]));
        assert!(!among(&after, &[1, 4]));
        assert_eq!(after.version, 3);
    }

    #[test]
    fn an_observer_takes_a_voters_place_in_one_change() {
        let three = Ensemble::of_voters([1, 2, 3].map(ServerId));
        let replace = EnsembleChange::Replace {
            old: ServerId(3),
            new: ServerId(4),
        };
        assert_eq!(
            three.change(&replace),
            Err(EnsembleError::NoMember(ServerId(4)))
        );
        let joint = three.change(&add(4)).unwrap().change(&replace).unwrap();
        assert!(joint.contains(ServerId(3)), "until the change is done");
        let after = joint.settled().unwrap();
        assert_eq!(after.voters(), BTreeSet::from([1, 2, 4].map(ServerId)));
    }

    #[test]
    fn the_last_voter_cannot_leave() {
        let one = Ensemble::of_voters([ServerId(1)]);
        let remove = EnsembleChange::Remove {
            server: ServerId(1),
        };
        assert_eq!(one.change(&remove), Err(EnsembleError::NoVoter));
        let unknown = EnsembleChange::Remove {
            server: ServerId(2),
        };
        assert_eq!(
            one.change(&unknown),
            Err(EnsembleError::NoMember(ServerId(2)))
        );
    }
}
