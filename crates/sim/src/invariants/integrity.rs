//! I4, Integrity: what is delivered, or in any log, was broadcast by the leader of its epoch.

use zareba_model::Zxid;

use crate::oracle::History;
use crate::violation::{Violation, hold};

const NAME: &str = "integrity";

pub(crate) fn check(history: &History, server: usize, zxid: Zxid) -> Result<(), Violation> {
    let primary = history.primaries.get(&zxid.epoch);
    let broadcast = primary.is_some_and(|it| it.broadcast.binary_search(&zxid).is_ok());
    hold!(
        broadcast,
        NAME,
        "server {server} delivered {zxid}, which no leader has broadcast"
    );
    Ok(())
}

/// A server writes what nobody has written before: it must be the epoch's leader.
pub(crate) fn of_first(leader: Option<usize>, server: usize, zxid: Zxid) -> Result<(), Violation> {
    hold!(
        leader == Some(server),
        NAME,
        "server {server} has {zxid}, which the leader of its epoch, {leader:?}, has not broadcast"
    );
    Ok(())
}
