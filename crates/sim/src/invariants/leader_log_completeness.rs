//! I12, LeaderLogCompleteness: whoever begins to lead has in its log every transaction that was
//! committed in an earlier reign. In a later one, more of the same epochs may have been: a leader that
//! stood still may begin when its time is over, and gets no further.

use zareba_model::{Epoch, Zxid};

use crate::oracle::{History, Mirror};
use crate::violation::{Violation, hold};

/// A server begins to lead.
pub(crate) fn check(
    history: &History,
    server: usize,
    mirror: &Mirror,
    epoch: Epoch,
) -> Result<(), Violation> {
    let older: Zxid = history.committed_before(epoch);
    hold!(
        mirror.holds(older),
        "leader_log_completeness",
        "server {server} leads epoch {epoch} with a log up to {}, but {older} was delivered",
        mirror.last()
    );
    Ok(())
}
