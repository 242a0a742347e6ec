//! An observer has nothing in its log but what is committed.

use zareba_model::{Ensemble, ServerId, Zxid};

use crate::violation::{Violation, hold};

/// A server is told to append an entry that another one has broadcast; `in_force` are the ensembles that any leader may go by.
pub(crate) fn check<'a>(
    mut in_force: impl Iterator<Item = &'a Ensemble>,
    server: usize,
    zxid: Zxid,
    is_committed: impl FnOnce() -> bool,
) -> Result<(), Violation> {
    let id = ServerId(server as u64 + 1);
    let may_vote = in_force.any(|ensemble| ensemble.is_voter(id));
    hold!(
        may_vote || is_committed(),
        "observers",
        "server {server}, which is no voter, logs {zxid}, which is not committed"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_voter_in_any_ensemble_logs_only_what_is_committed() {
        let ensemble = Ensemble::of_voters([1, 2].map(ServerId));
        let all = || std::iter::once(&ensemble);
        assert!(check(all(), 1, Zxid::new(1, 1), || false).is_ok());
        assert!(check(all(), 2, Zxid::new(1, 1), || true).is_ok());
        assert!(check(all(), 2, Zxid::new(1, 1), || false).is_err());
    }
}
