//! I20: servers that have applied the same transaction have the same digest.

use zareba_model::Zxid;
use zareba_tree::{Changes, Tree};

use crate::oracle::History;
use crate::violation::{Violation, hold};

const NAME: &str = "digests";

/// A server's tree has come past `zxid`.
pub(crate) fn check(
    history: &History,
    server: usize,
    tree: &Tree,
    zxid: Zxid,
) -> Result<(), Violation> {
    let Some(found) = tree.digest_at(zxid) else {
        return Ok(());
    };
    let expected = history.digest_at(zxid);
    hold!(
        Some(found) == expected,
        NAME,
        "server {server} has digest {found:x} at {zxid}, expected {expected:x?}"
    );
    Ok(())
}

/// The digest that a leader has shipped is the one of the history.
pub(crate) fn of_mark(zxid: Zxid, changes: &Changes) -> Result<(), Violation> {
    hold!(
        changes.diverged.is_none(),
        NAME,
        "the leader's mark in {zxid} is wrong: {:x?}",
        changes.diverged
    );
    Ok(())
}
