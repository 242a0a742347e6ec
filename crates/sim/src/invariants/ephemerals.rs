//! I24: an ephemeral node is there as long as its session lives, and is listed under it.

use std::collections::BTreeSet;

use zareba_model::{SessionId, ZnodePath, Zxid};
use zareba_tree::Tree;

use crate::reference::Reference;
use crate::violation::{Violation, hold};

const NAME: &str = "ephemerals";

/// Judges the sessions whose nodes a transaction has touched, and those that it has ended.
pub(crate) fn check(
    tree: &Tree,
    reference: &Reference,
    sessions: &BTreeSet<SessionId>,
    zxid: Zxid,
) -> Result<(), Violation> {
    for session in sessions {
        of_session(tree, reference, *session, zxid)?;
    }
    Ok(())
}

/// Judges all sessions.
pub(crate) fn check_all(tree: &Tree, reference: &Reference) -> Result<(), Violation> {
    let listed = tree.sessions().map(|session| session.id);
    let owners: BTreeSet<SessionId> = reference.owners().chain(listed).collect();
    check(tree, reference, &owners, tree.applied())
}

fn of_session(
    tree: &Tree,
    reference: &Reference,
    session: SessionId,
    zxid: Zxid,
) -> Result<(), Violation> {
    let owned: Vec<&ZnodePath> = reference.owned(session).collect();
    hold!(
        owned.is_empty() || tree.session(session).is_some(),
        NAME,
        "at {zxid} the nodes {owned:?} belong to {session}, which is over"
    );
    let mut listed: Vec<&ZnodePath> = tree.ephemerals(session).collect();
    listed.sort();
    hold!(
        owned == listed,
        NAME,
        "at {zxid} the nodes {owned:?} belong to {session}, but {listed:?} are listed"
    );
    Ok(())
}
