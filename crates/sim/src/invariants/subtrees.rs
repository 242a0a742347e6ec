//! The end of a subtree is one transaction: everything that was there goes, children before their parents,
//! and nothing else.

use std::collections::BTreeSet;

use zareba_model::{Answer, Effect, Op, Outcome, Txn, Write, ZnodePath, Zxid};

use crate::reference::Reference;
use crate::violation::{Violation, hold};

/// A request is executed, before its effects. That nothing goes before what is below it is judged
/// effect by effect, in `lifetimes`.
pub(crate) fn check(
    reference: &Reference,
    op: &Op,
    (zxid, txn): (Zxid, &Txn),
    answer: Option<&Answer>,
) -> Result<(), Violation> {
    let Op::Write(Write::DeleteSubtree { path: top }) = op else {
        return Ok(());
    };
    let there: BTreeSet<&ZnodePath> = reference.within(top).map(|(path, _)| path).collect();
    let deletions = txn.effects.iter().filter_map(|effect| match effect {
        Effect::DeleteNode { path } => Some(path),
        _ => None,
    });
    let gone: BTreeSet<&ZnodePath> = deletions.collect();
    let count = txn.effects.len() as u64;
    let right = match answer {
        Some(Ok(Outcome::SubtreeDeleted { deleted, more })) => {
            !there.is_empty()
                && *deleted == count
                && gone.len() as u64 == count
                && gone.is_subset(&there)
                && *more == (gone.len() < there.len())
        }
        Some(Err(_)) => count == 0,
        _ => false,
    };
    hold!(
        right,
        "subtrees",
        "{op:?} was answered {answer:?} at {zxid}, where {there:?} were and {gone:?} go"
    );
    Ok(())
}
