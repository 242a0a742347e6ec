//! I6, TotalOrder: whoever delivers a transaction has delivered right before it what anybody else
//! has delivered right before it.

use zareba_model::Zxid;

use crate::oracle::History;
use crate::violation::{Violation, hold};

const NAME: &str = "total_order";

/// A server delivers `zxid` at `place`, right behind `last`.
pub(crate) fn check(
    history: &History,
    server: usize,
    place: usize,
    (last, zxid): (Zxid, Zxid),
) -> Result<(), Violation> {
    let before = place.checked_sub(1).and_then(|it| history.at(it));
    hold!(
        before.unwrap_or_default() == last && last < zxid,
        NAME,
        "server {server} delivered {zxid} right behind {last}, others behind {before:?}"
    );
    Ok(())
}
