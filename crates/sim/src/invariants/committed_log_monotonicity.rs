//! I10, CommittedLogMonotonicity: what an established leader takes for committed only ever grows,
//! and begins with all that leaders before it took for committed.

use std::collections::BTreeMap;

use zareba_model::{Epoch, Zxid};

use crate::violation::{Violation, hold};

const NAME: &str = "committed_log_monotonicity";

/// What each reign has taken for committed.
#[derive(Debug, Default)]
pub(crate) struct Claims(BTreeMap<Epoch, Zxid>);

impl Claims {
    /// An established leader takes all up to here for committed.
    pub(crate) fn check(
        &mut self,
        server: usize,
        epoch: Epoch,
        committed: Zxid,
    ) -> Result<(), Violation> {
        let known = self.0.get(&epoch).copied();
        if known == Some(committed) {
            return Ok(());
        }
        let before = match known {
            Some(known) => known,
            None => self
                .0
                .range(..epoch)
                .map(|(_, it)| *it)
                .max()
                .unwrap_or_default(),
        };
        hold!(
            committed >= before,
            NAME,
            "server {server} leads epoch {epoch} with {committed}, but {before} was committed before"
        );
        self.0.insert(epoch, committed);
        Ok(())
    }
}
