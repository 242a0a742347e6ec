//! I13, CommittedLogDurability: neither a truncation nor a snapshot takes a committed transaction
//! from a log.

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
    let committed = first.filter(|zxid| history.position(**zxid).is_some());
    hold!(
        committed.is_none(),
        "committed_log_durability",
        "server {server} drops all behind {after}, but {committed:?} was delivered"
    );
    Ok(())
}
