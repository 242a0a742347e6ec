//! I2, Leadership2: an epoch has at most one established leader, ever.

use std::collections::BTreeMap;

use zareba_model::Epoch;

use crate::violation::{Violation, hold};

const NAME: &str = "one_leader_established";

/// Who was established in each epoch.
#[derive(Debug, Default)]
pub(crate) struct Established(BTreeMap<Epoch, usize>);

impl Established {
    /// A server says that it leads.
    pub(crate) fn check(&mut self, server: usize, epoch: Epoch) -> Result<(), Violation> {
        let known = *self.0.entry(epoch).or_insert(server);
        hold!(
            known == server,
            NAME,
            "servers {known} and {server} both lead in epoch {epoch}"
        );
        Ok(())
    }

    /// The newest epoch with a leader, and that leader.
    pub(crate) fn newest(&self) -> Option<(Epoch, usize)> {
        self.0
            .last_key_value()
            .map(|(epoch, server)| (*epoch, *server))
    }
}
