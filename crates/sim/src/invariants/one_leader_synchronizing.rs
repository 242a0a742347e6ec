//! I1, Leadership1: of the servers that bring others level or broadcast, no two do so in the same
//! epoch.

use std::collections::BTreeMap;

use zareba_model::Epoch;

use crate::violation::{Violation, hold};

const NAME: &str = "one_leader_synchronizing";

/// Who has begun to lead in each epoch.
#[derive(Debug, Default)]
pub(crate) struct Leaders(BTreeMap<Epoch, usize>);

impl Leaders {
    /// A server acts as the leader of an epoch.
    pub(crate) fn check(&mut self, server: usize, epoch: Epoch) -> Result<(), Violation> {
        let known = *self.0.entry(epoch).or_insert(server);
        hold!(
            known == server,
            NAME,
            "servers {known} and {server} both synchronize in epoch {epoch}"
        );
        Ok(())
    }

    /// The only server that may speak as the leader of that epoch.
    pub(crate) fn of(&self, epoch: Epoch) -> Option<usize> {
        self.0.get(&epoch).copied()
    }
}
