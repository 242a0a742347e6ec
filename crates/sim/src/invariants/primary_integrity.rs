//! I9, PrimaryIntegrity: before a leader broadcasts in its epoch, it has delivered every
//! transaction of older epochs that anybody ever delivers.

use std::ops::Bound::{Excluded, Unbounded};

use zareba_model::Zxid;

use crate::oracle::History;
use crate::violation::{Violation, hold};

const NAME: &str = "primary_integrity";

/// A leader broadcasts `zxid`, having delivered up to `delivered`.
pub(crate) fn of_broadcast(
    history: &History,
    server: usize,
    zxid: Zxid,
    delivered: Zxid,
) -> Result<(), Violation> {
    let older = history.last_before(zxid.epoch);
    hold!(
        delivered >= older,
        NAME,
        "server {server} broadcasts {zxid} having delivered {delivered}, but {older} was delivered"
    );
    Ok(())
}

/// A transaction is committed: leaders of later epochs must have delivered it before they began.
pub(crate) fn of_commit(history: &History, zxid: Zxid) -> Result<(), Violation> {
    let later = (Excluded(zxid.epoch), Unbounded);
    let early = history
        .primaries
        .range(later)
        .find(|(_, primary)| primary.delivered < zxid);
    hold!(
        early.is_none(),
        NAME,
        "{zxid} is delivered after a later leader has begun without it: {:?}",
        early.map(|(epoch, primary)| (epoch, primary.server, primary.delivered))
    );
    Ok(())
}
