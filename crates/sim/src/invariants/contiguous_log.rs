//! I18: a log has no hole, begins where its image ends, and agrees with every other log below every
//! entry that they share: an entry has one predecessor, wherever it stands.

use rustc_hash::FxHashMap;
use zareba_model::Zxid;

use crate::violation::{Violation, hold};

const NAME: &str = "contiguous_log";

/// What each entry follows; never iterated over.
#[derive(Debug, Default)]
pub(crate) struct Predecessors(FxHashMap<Zxid, Zxid>);

impl Predecessors {
    /// A server has, or is to write, `zxid` right behind `last`.
    pub(crate) fn check(&mut self, server: usize, last: Zxid, zxid: Zxid) -> Result<(), Violation> {
        hold!(
            zxid.follows(last),
            NAME,
            "server {server} appends {zxid} behind {last}"
        );
        let known = *self.0.entry(zxid).or_insert(last);
        hold!(
            known == last,
            NAME,
            "server {server} has {zxid} behind {last}, others have it behind {known}"
        );
        Ok(())
    }
}
