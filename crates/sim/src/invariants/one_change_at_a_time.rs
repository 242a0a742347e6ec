//! Of two neighbouring ensembles the quorums intersect: a change begins only behind the one before it,
//! goes through a joint ensemble if it changes a vote, and is settled only behind that.

use std::collections::BTreeMap;

use zareba_model::{Ensemble, MemberRole, Members, ServerId, Zxid};

use crate::violation::{Violation, hold};

const NAME: &str = "one_change_at_a_time";

/// A leader broadcasts an ensemble; `committed` are those that it, or anybody, has delivered.
pub(crate) fn of_broadcast<'a>(
    mut committed: impl Iterator<Item = &'a Ensemble>,
    server: usize,
    zxid: Zxid,
    ensemble: &Ensemble,
) -> Result<(), Violation> {
    let precedes = |it: &Ensemble| it.version + 1 == ensemble.version && follows(it, ensemble);
    hold!(
        committed.any(precedes),
        NAME,
        "server {server} broadcasts {zxid} with {ensemble:?}, which follows none that is committed"
    );
    Ok(())
}

/// An ensemble is delivered for the first time.
pub(crate) fn of_commit(
    before: &Ensemble,
    zxid: Zxid,
    ensemble: &Ensemble,
) -> Result<(), Violation> {
    hold!(
        ensemble.version == before.version + 1 && follows(before, ensemble),
        NAME,
        "{zxid} brings {ensemble:?} behind {before:?}"
    );
    Ok(())
}

fn follows(before: &Ensemble, next: &Ensemble) -> bool {
    match (&before.outgoing, &next.outgoing) {
        (None, None) => votes(&before.members) == votes(&next.members),
        (None, Some(outgoing)) => *outgoing == before.members,
        (Some(_), None) => before.members == next.members,
        (Some(_), Some(_)) => false,
    }
}

fn votes(members: &Members) -> BTreeMap<ServerId, MemberRole> {
    let roles = members.iter().map(|(server, it)| (*server, it.role));
    roles
        .filter(|(_, role)| *role != MemberRole::Observer)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_model::EnsembleChange;

    #[test]
    fn a_vote_changes_only_by_way_of_a_joint_ensemble_that_is_committed() {
        let before = Ensemble::of_voters([1, 2, 3].map(ServerId));
        let removal = EnsembleChange::Remove {
            server: ServerId(3),
        };
        let joint = before.change(&removal).unwrap();
        let settled = joint.settled().unwrap();
        let hasty = Ensemble {
            version: joint.version,
            ..settled.clone()
        };
        let at = Zxid::new(1, 1);
        assert!(of_commit(&before, at, &joint).is_ok());
        assert!(of_commit(&joint, at, &settled).is_ok());
        assert!(of_commit(&before, at, &hasty).is_err());
        assert!(of_commit(&before, at, &settled).is_err());
        assert!(of_broadcast([&before, &joint].into_iter(), 0, at, &settled).is_ok());
        assert!(of_broadcast([&before].into_iter(), 0, at, &settled).is_err());
    }
}
