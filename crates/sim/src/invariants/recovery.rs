//! I19: recovery brings back everything that was durable, and changes nothing when it is done again.

use zareba_model::{Entry, Zxid};

use crate::disk::Opened;
use crate::oracle::Mirror;
use crate::violation::{Violation, hold};

const NAME: &str = "recovery";

/// A disk that was never hurt has no damage: what a power cut leaves is none.
pub(crate) fn finds_only_real_damage(
    server: usize,
    impaired: bool,
    opened: &Opened,
) -> Result<(), Violation> {
    hold!(
        impaired || !opened.damaged,
        NAME,
        "server {server} finds damage, but nothing was destroyed: {:?}",
        opened.damage
    );
    Ok(())
}

/// After a restart everything is there that was durable before.
pub(crate) fn keeps_what_was_durable(
    server: usize,
    before: &Mirror,
    base: Zxid,
    entries: &[Entry],
) -> Result<(), Violation> {
    let mut found = entries.iter().map(|entry| entry.zxid).peekable();
    let kept = before.zxids.iter().filter(|zxid| **zxid <= before.durable);
    for zxid in kept.filter(|zxid| **zxid > base) {
        while found.peek().is_some_and(|it| it < zxid) {
            found.next();
        }
        hold!(
            found.peek() == Some(zxid),
            NAME,
            "server {server} had {zxid} durably and came back without it"
        );
    }
    Ok(())
}

/// The same disk was recovered again, after another power cut.
pub(crate) fn is_idempotent(
    server: usize,
    first: &Opened,
    second: &Opened,
) -> Result<(), Violation> {
    let ends = |it: &Opened| (it.base, it.recovered.applied(), it.epochs, it.damaged);
    let zxids = |it: &Opened| {
        it.entries
            .iter()
            .map(|entry| entry.zxid)
            .collect::<Vec<_>>()
    };
    hold!(
        ends(first) == ends(second) && zxids(first) == zxids(second),
        NAME,
        "server {server} recovered {:?} up to {:?}, and {:?} up to {:?} from the same disk again",
        ends(first),
        first.entries.last().map(|entry| entry.zxid),
        ends(second),
        second.entries.last().map(|entry| entry.zxid)
    );
    Ok(())
}
