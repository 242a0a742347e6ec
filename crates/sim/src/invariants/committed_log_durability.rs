//! I13, CommittedLogDurability: neither a truncation nor a snapshot takes a transaction from a log that was
//! committed in the reign that the server has promised to follow, or before. In a later one more may have been:
//! a leader that stood still may still bring a server level with itself, and nobody will have counted on that one.

use zareba_model::Zxid;

use crate::oracle::{History, Mirror};
use crate::violation::{Violation, hold};

/// Everything behind `after` goes from a server's log.
pub(crate) fn check(
    history: &History,
    server: usize,
    mirror: &Mirror,
    after: Zxid,
) -> Result<(), Violation> {
    let first = mirror.behind(after).first();
    let until = history.committed_until(mirror.epochs.accepted);
    let committed = first.filter(|zxid| **zxid <= until && history.position(**zxid).is_some());
    hold!(
        committed.is_none(),
        "committed_log_durability",
        "server {server} drops all behind {after}, but {committed:?} was delivered"
    );
    Ok(())
}
