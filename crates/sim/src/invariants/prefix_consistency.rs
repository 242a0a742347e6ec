//! I3, PrefixConsistency: what two servers have committed agrees up to the shorter. Judged against
//! the one history that all of them are pieces of: the same transaction at the same place, with the
//! same content.

use bytes::Bytes;
use zareba_model::Zxid;

use crate::oracle::History;
use crate::violation::{Violation, hold};

const NAME: &str = "prefix_consistency";

/// A server delivers a transaction at a place of its own history.
pub(crate) fn check(
    history: &History,
    server: usize,
    place: usize,
    zxid: Zxid,
) -> Result<(), Violation> {
    let there = history.at(place);
    hold!(
        there == Some(zxid),
        NAME,
        "server {server} delivered {zxid} as its number {place}, where others have {there:?}"
    );
    Ok(())
}

/// One number stands for one transaction, in whatever log.
pub(crate) fn of_content(
    server: usize,
    zxid: Zxid,
    (known, payload): (&Bytes, &Bytes),
) -> Result<(), Violation> {
    hold!(
        known == payload,
        NAME,
        "server {server} has another transaction at {zxid} than somebody else"
    );
    Ok(())
}
