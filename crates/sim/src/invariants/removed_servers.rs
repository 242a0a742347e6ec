//! A server that was removed never leads again, and stops only once it is removed. (That its acks
//! count for nothing `acked_on_quorum` says, for it asks the ensemble.)

use zareba_model::{Ensemble, ServerId};

use crate::violation::{Violation, hold};

const NAME: &str = "removed_servers";

/// A server is established as leader. One that is on its way out may be the only one that has the end
/// of the change, and so may lead until the next one.
pub(crate) fn of_leader(
    ensemble: &Ensemble,
    before: Option<&Ensemble>,
    server: ServerId,
) -> Result<(), Violation> {
    let may_lead = ensemble.may_lead(server) || before.is_some_and(|it| it.may_lead(server));
    hold!(
        may_lead,
        NAME,
        "server {server} leads, but may not in {ensemble:?}"
    );
    Ok(())
}

/// A server says that it is no member any more, and stops.
pub(crate) fn of_leaving(ensemble: &Ensemble, server: ServerId) -> Result<(), Violation> {
    hold!(
        !ensemble.contains(server),
        NAME,
        "server {server} leaves, but is a member of {ensemble:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_removed_leads_until_the_next_change_and_no_longer() {
        let [with, without] = [[1, 2, 3].as_slice(), &[1, 2]]
            .map(|all| Ensemble::of_voters(all.iter().copied().map(ServerId)));
        assert!(of_leader(&with, None, ServerId(3)).is_ok());
        assert!(of_leader(&without, Some(&with), ServerId(3)).is_ok());
        assert!(of_leader(&without, Some(&without), ServerId(3)).is_err());
        assert!(of_leaving(&without, ServerId(3)).is_ok());
        assert!(of_leaving(&with, ServerId(3)).is_err());
    }
}
