//! I22: every field of a stat (versions, zxids, times, counts, owner) is the model's.

use std::collections::BTreeSet;

use zareba_model::ZnodePath;
use zareba_tree::Tree;

use crate::reference::Reference;
use crate::violation::{Violation, hold};

/// Compares the nodes that a transaction has touched.
pub(crate) fn check(
    tree: &Tree,
    reference: &Reference,
    touched: &BTreeSet<ZnodePath>,
) -> Result<(), Violation> {
    for path in touched {
        let found = tree.node(path.as_str()).map(|node| node.stat());
        let expected = reference.node(path).map(|seen| seen.stat);
        hold!(
            found == expected,
            "stats",
            "at {} the stat of {path} is {found:?}, the model has {expected:?}",
            tree.applied()
        );
    }
    Ok(())
}
