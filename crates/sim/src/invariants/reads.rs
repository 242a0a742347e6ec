//! A read tells what was there when the transaction was applied that its reply names.

use zareba_model::{Answer, ErrorCode, Outcome, Read, Zxid};

use crate::reference::Reference;
use crate::violation::{Violation, hold};

pub(crate) fn check(
    reference: &Reference,
    read: &Read,
    zxid: Zxid,
    answer: &Answer,
) -> Result<(), Violation> {
    let (Read::Get { path, .. } | Read::Exists { path, .. } | Read::Children { path, .. }) = read;
    let there = reference.at(path, zxid);
    let right = match (answer, there) {
        (Ok(Outcome::Got { data, stat }), Some(seen)) => *data == seen.data && *stat == seen.stat,
        (Ok(Outcome::Existence(stat)), seen) => *stat == seen.map(|seen| seen.stat),
        (Ok(Outcome::Children { names, stat, more }), Some(seen)) => {
            !more
                && *stat == seen.stat
                && reference
                    .names_at(path, zxid)
                    .eq(names.iter().map(String::as_str))
        }
        (Err(fault), None) => fault.code == ErrorCode::NoNode,
        _ => false,
    };
    hold!(
        right,
        "reads",
        "{read:?} at {zxid} was answered {answer:?}, but there was {there:?}"
    );
    Ok(())
}
