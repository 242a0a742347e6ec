//! What a quorum of an ensemble has reached, as arithmetic. Knows no message and no phase.

use zareba_model::{Ensemble, ServerId};

/// The highest value that a quorum has reached; on both sides of a change that is under way. A server
/// that is not named has reached nothing.
pub(crate) fn reached<T: Ord + Copy>(
    ensemble: &Ensemble,
    values: impl Iterator<Item = (ServerId, T)> + Clone,
) -> Option<T> {
    let mut highest = None;
    for (_, value) in values.clone() {
        let has = |server| {
            let mut of_server = values.clone().filter(|(other, _)| *other == server);
            of_server.any(|(_, reached)| reached >= value)
        };
        if Some(value) > highest && ensemble.is_quorum(has) {
            highest = Some(value);
        }
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_model::EnsembleChange;

    fn among(ensemble: &Ensemble, values: &[(u64, u32)]) -> Option<u32> {
        let values = values.iter().map(|(id, value)| (ServerId(*id), *value));
        reached(ensemble, values)
    }

    #[test]
    fn the_highest_value_that_a_quorum_has_reached() {
        let three = Ensemble::of_voters([1, 2, 3].map(ServerId));
        assert_eq!(among(&three, &[(1, 5), (2, 9), (3, 1)]), Some(5));
        assert_eq!(among(&three, &[(1, 5), (2, 9)]), Some(5));
        assert_eq!(among(&three, &[(2, 9)]), None);
        assert_eq!(among(&three, &[(2, 9), (7, 9)]), None);
    }

    #[test]
    fn while_voters_change_both_sides_must_have_reached_it() {
        let two = Ensemble::of_voters([1, 2].map(ServerId));
        let add = EnsembleChange::Add {
            server: ServerId(3),
            peer_address: String::new(),
            client_address: String::new(),
        };
        let replace = EnsembleChange::Replace {
            old: ServerId(2),
            new: ServerId(3),
        };
        let joint = two.change(&add).unwrap().change(&replace).unwrap();
        assert_eq!(among(&joint, &[(1, 9), (2, 4), (3, 2)]), Some(2));
        assert_eq!(among(&joint, &[(1, 9), (2, 4)]), None);
        let after = joint.settled().unwrap();
        assert_eq!(among(&after, &[(1, 9), (2, 1), (3, 2)]), Some(2));
    }
}
