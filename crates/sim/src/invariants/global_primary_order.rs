//! I8, GlobalPrimaryOrder: transactions of an earlier epoch are delivered before those of a later
//! one.

use zareba_model::Zxid;

use crate::violation::{Violation, hold};

/// `zxid` is committed right behind `last`.
pub(crate) fn check(last: Zxid, zxid: Zxid) -> Result<(), Violation> {
    hold!(
        zxid.epoch >= last.epoch && zxid > last,
        "global_primary_order",
        "{zxid} was delivered behind {last}"
    );
    Ok(())
}
