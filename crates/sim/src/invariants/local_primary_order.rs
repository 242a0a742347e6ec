//! I7, LocalPrimaryOrder: what a leader has broadcast is delivered in its order, none left out.

use zareba_model::Zxid;

use crate::oracle::History;
use crate::violation::{Violation, hold};

const NAME: &str = "local_primary_order";

/// A transaction is committed, as the next of its leader's.
pub(crate) fn check(history: &mut History, zxid: Zxid) -> Result<(), Violation> {
    let Some(primary) = history.primaries.get_mut(&zxid.epoch) else {
        return Ok(());
    };
    let next = primary.broadcast.get(primary.committed).copied();
    primary.committed += 1;
    hold!(
        next == Some(zxid),
        NAME,
        "{zxid} was delivered where server {} had broadcast {next:?}",
        primary.server
    );
    Ok(())
}
