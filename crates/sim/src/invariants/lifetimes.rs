//! A node ends by itself only when its life is over: an ephemeral one with its session, a container that
//! has had children and has none, one with a TTL when nobody has set it for so long by the time of the
//! transactions, and never while it has children; nothing that has children goes at all. In the end all
//! that must end has ended.

use std::collections::BTreeSet;

use zareba_model::{Cause, Effect, Lifetime, SessionId, Txn, Zxid};

use super::Missing;
use crate::invariants::locks::MOUNT;
use crate::marks::{Mark, Marks};
use crate::reference::Reference;
use crate::violation::{Violation, hold};

const NAME: &str = "lifetimes";

/// The sessions that a transaction ends.
pub(crate) fn closing(txn: &Txn) -> BTreeSet<SessionId> {
    let of = |effect: &Effect| match effect {
        Effect::CloseSession { session } => Some(*session),
        _ => None,
    };
    txn.effects.iter().filter_map(of).collect()
}

/// One effect, before it is applied.
pub(crate) fn of_effect(
    reference: &Reference,
    (zxid, txn): (Zxid, &Txn),
    closing: &BTreeSet<SessionId>,
    effect: &Effect,
    marks: &Marks,
) -> Result<(), Violation> {
    let Effect::DeleteNode { path } = effect else {
        return Ok(());
    };
    let Some(seen) = reference.node(path) else {
        let what = format!("{path} is deleted at {zxid}, but is not there");
        return Err(Violation::new(NAME, what));
    };
    hold!(
        seen.stat.num_children == 0,
        NAME,
        "{path} goes at {zxid} with its children: {seen:?}"
    );
    if txn.cause != Cause::System || path.as_str().starts_with(MOUNT) {
        return Ok(());
    }
    let is_over = match seen.stat.lifetime {
        Lifetime::Persistent => false,
        Lifetime::Ephemeral(owner) => closing.contains(&owner),
        Lifetime::Container => seen.was_parent,
        Lifetime::Ttl(ms) => seen.stat.mtime + ms <= txn.time,
    };
    hold!(
        is_over,
        NAME,
        "{path} ends by itself at {zxid}, at {}, but its life is not over: {seen:?}",
        txn.time
    );
    match seen.stat.lifetime {
        Lifetime::Container => marks.reach(Mark::ContainerEnded),
        Lifetime::Ttl(_) => marks.reach(Mark::TtlEnded),
        _ => {}
    }
    Ok(())
}

/// What is still to end.
pub(crate) fn all_ended(missing: &mut Missing, reference: &Reference) {
    if let Some((path, seen)) = reference.mortal().next() {
        missing.note(NAME, || format!("{path} lives on: {seen:?}"));
    }
}
