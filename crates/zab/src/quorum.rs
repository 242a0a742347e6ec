//! Majorities, as arithmetic. Knows no message and no phase.

use std::collections::BTreeSet;

use zareba_model::ServerId;

/// How many of `voters` servers are a quorum.
pub(crate) const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// True if the servers named contain a quorum of the voters. A server named twice counts once.
pub(crate) fn is_quorum(
    voters: &BTreeSet<ServerId>,
    servers: impl IntoIterator<Item = ServerId>,
) -> bool {
    let named: BTreeSet<ServerId> = servers
        .into_iter()
        .filter(|server| voters.contains(server))
        .collect();
    named.len() >= majority(voters.len())
}

/// The highest value that `needed` of the servers have reached, one value for each of them.
pub(crate) fn reached_by<T: Ord + Copy>(needed: usize, mut values: Vec<T>) -> Option<T> {
    values.sort_unstable();
    let place = values.len().checked_sub(needed.max(1))?;
    values.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_more_than_half() {
        assert_eq!([1, 2, 3, 4, 5].map(majority), [1, 2, 2, 3, 3]);
        let voters = BTreeSet::from([1, 2, 3].map(ServerId));
        assert!(is_quorum(&voters, [ServerId(1), ServerId(3)]));
        assert!(!is_quorum(&voters, [ServerId(1), ServerId(1)]));
        assert!(!is_quorum(&voters, [ServerId(1), ServerId(9)]));
    }

    #[test]
    fn the_highest_value_that_enough_have_reached() {
        assert_eq!(reached_by(2, vec![5, 9, 1]), Some(5));
        assert_eq!(reached_by(3, vec![5, 9, 1]), Some(1));
        assert_eq!(reached_by(2, vec![9]), None);
    }
}
