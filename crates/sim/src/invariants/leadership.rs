//! An epoch has one established leader, and it has the history that it was founded on.

use std::collections::BTreeMap;

use zareba_model::{Epoch, Zxid};

use crate::violation::{Violation, hold};

const NAME: &str = "leadership";

/// A server says that it leads.
pub(crate) fn establish(
    leaders: &mut BTreeMap<Epoch, usize>,
    server: usize,
    epoch: Epoch,
) -> Result<(), Violation> {
    let known = *leaders.entry(epoch).or_insert(server);
    hold!(
        known == server,
        NAME,
        "servers {known} and {server} both lead in epoch {epoch}"
    );
    Ok(())
}

/// An established leader has everything that was ever committed before its reign.
pub(crate) fn complete(
    server: usize,
    epoch: Epoch,
    applied: Zxid,
    committed: Zxid,
) -> Result<(), Violation> {
    hold!(
        applied >= committed || committed.epoch >= epoch,
        NAME,
        "server {server} leads epoch {epoch} with {applied}, but {committed} was delivered"
    );
    Ok(())
}
