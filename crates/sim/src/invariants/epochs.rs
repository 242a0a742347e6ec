//! I17: on a disk, the accepted epoch is at least the current one and that of the last entry, and
//! neither ever goes back; a new current epoch finds the history that it was founded on.
//!
//! A late follower logs proposals of its leader's epoch before it has adopted that epoch, so the last
//! entry may be of a later epoch than the current one; it counts for nothing until then.

use zareba_log::Epochs;
use zareba_model::Zxid;

use super::process_consistency::Foundations;
use crate::oracle::Mirror;
use crate::violation::{Violation, hold};

const NAME: &str = "epochs";

/// A group of writes is durable, or a server has started.
pub(crate) fn check(
    server: usize,
    mirror: &Mirror,
    new: Epochs,
    foundations: &Foundations,
) -> Result<(), Violation> {
    let old = mirror.epochs;
    hold!(
        new.accepted >= new.current && new.accepted >= old.accepted && new.current >= old.current,
        NAME,
        "server {server} has the epochs {new:?} on its disk after {old:?}"
    );
    hold!(
        new.accepted >= mirror.durable.epoch,
        NAME,
        "server {server} has {} in its log and has promised {:?}",
        mirror.durable,
        new.accepted
    );
    if new.current == old.current {
        return Ok(());
    }
    let history = foundations.of(new.current).unwrap_or(Zxid::ZERO);
    hold!(
        mirror.durable >= history,
        NAME,
        "server {server} is in {:?} on its disk, whose history ends at {history}, but has {}",
        new.current,
        mirror.durable
    );
    Ok(())
}
