//! I5, Agreement: if one server has delivered a transaction and another one a second transaction,
//! then one of them has delivered both.

use crate::oracle::{History, Mirror};
use crate::violation::{Violation, hold};

const NAME: &str = "agreement";

/// A server has delivered more. Of it and any other, who is behind must be within the other's past.
pub(crate) fn check(history: &History, mirrors: &[Mirror], server: usize) -> Result<(), Violation> {
    let Some(own) = mirrors.get(server) else {
        return Ok(());
    };
    for (place, other) in mirrors.iter().enumerate() {
        let behind = if other.position < own.position {
            other
        } else {
            own
        };
        let there = behind.position.checked_sub(1).map(|it| history.at(it));
        hold!(
            there.is_none() || there == Some(Some(behind.applied)),
            NAME,
            "servers {server} at {} and {place} at {} have each delivered what the other lacks",
            own.applied,
            other.applied
        );
    }
    Ok(())
}
