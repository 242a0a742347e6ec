//! I23: a multi does all of its changes or none. One that was refused has left no effect; one that
//! was done has left one for each change, in their order.

use zareba_model::{Answer, Change, Outcome, ZnodePath};

use crate::oracle::{Executed, NodeEffect};
use crate::violation::{Violation, hold};

const NAME: &str = "multi_atomicity";

/// A client is told what its multi came to.
pub(crate) fn check(
    changes: &[Change],
    answer: &Answer,
    executed: Option<&Executed>,
) -> Result<(), Violation> {
    let done = executed.map_or(&[][..], |it| it.nodes.as_slice());
    match answer {
        Err(_) => hold!(
            done.is_empty(),
            NAME,
            "{changes:?} was refused, but left {done:?}"
        ),
        Ok(Outcome::Multi(outcomes)) => {
            let asked = changes.iter().zip(outcomes).filter_map(wanted);
            hold!(
                outcomes.len() == changes.len() && asked.eq(done.iter().cloned()),
                NAME,
                "{changes:?} was answered {outcomes:?}, but left {done:?}"
            );
        }
        Ok(other) => hold!(false, NAME, "a multi was answered {other:?}"),
    }
    Ok(())
}

/// What a change must have left; nothing for a check.
fn wanted((change, outcome): (&Change, &Outcome)) -> Option<(NodeEffect, ZnodePath)> {
    match (change, outcome) {
        (Change::Create { .. }, Outcome::Created { path, .. }) => {
            Some((NodeEffect::Create, path.clone()))
        }
        (Change::Set { path, .. }, Outcome::Set(_)) => Some((NodeEffect::Set, path.clone())),
        (Change::SetAcl { path, .. }, Outcome::Set(_)) => Some((NodeEffect::SetAcl, path.clone())),
        (Change::Delete { path, .. }, Outcome::Deleted) => Some((NodeEffect::Delete, path.clone())),
        (Change::Check { .. }, Outcome::Checked) => None,
        // An outcome of another kind than its change cannot be what was done.
        (change, _) => Some((NodeEffect::Wrong, change.path().clone())),
    }
}
