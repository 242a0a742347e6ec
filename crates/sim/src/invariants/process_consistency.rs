//! I11, ProcessConsistency: a follower that has taken its leader's history has that history. Two
//! logs with the same entry agree below it (`contiguous_log`), so its end tells.

use std::collections::BTreeMap;

use zareba_model::{Epoch, Zxid};

use crate::oracle::{History, Mirror};
use crate::violation::{Violation, hold};

const NAME: &str = "process_consistency";

/// The end of the history that each epoch began with.
#[derive(Debug, Default)]
pub(crate) struct Foundations(BTreeMap<Epoch, Zxid>);

impl Foundations {
    /// A leader names the end of its history. Later followers are told a later end; the first is
    /// what the epoch is founded on.
    pub(crate) fn note(&mut self, epoch: Epoch, last_zxid: Zxid) {
        self.0.entry(epoch).or_insert(last_zxid);
    }

    pub(crate) fn of(&self, epoch: Epoch) -> Option<Zxid> {
        self.0.get(&epoch).copied()
    }

    /// A follower says that it has its leader's history up to there.
    pub(crate) fn check(
        &self,
        history: &History,
        server: usize,
        mirror: &Mirror,
        (epoch, last_zxid): (Epoch, Zxid),
    ) -> Result<(), Violation> {
        let founded = self.of(epoch) == Some(last_zxid);
        let primary = history.primaries.get(&epoch);
        let broadcast = primary.is_some_and(|it| it.broadcast.binary_search(&last_zxid).is_ok());
        hold!(
            (founded || broadcast) && mirror.holds(last_zxid),
            NAME,
            "server {server} has the history of epoch {epoch} up to {last_zxid}, which is not the \
             leader's, or not in its own log"
        );
        Ok(())
    }
}
