//! The tree is what an independent model makes of the same transactions.

use std::collections::BTreeSet;

use zareba_model::ZnodePath;
use zareba_tree::Tree;

use crate::reference::{Reference, Seen};
use crate::violation::{Violation, hold};

/// Compares the nodes that a transaction has touched.
pub(crate) fn check(
    tree: &Tree,
    reference: &Reference,
    touched: &BTreeSet<ZnodePath>,
) -> Result<(), Violation> {
    for path in touched {
        let found = tree.node(path.as_str()).map(|node| Seen {
            stat: node.stat(),
            data: node.data(),
        });
        let expected = reference.node(path);
        hold!(
            found.as_ref() == expected,
            "reference_model",
            "at {} the node {path} is {found:?}, the model has {expected:?}",
            tree.applied()
        );
    }
    hold!(
        tree.node_count() == reference.len(),
        "reference_model",
        "at {} the tree has {} nodes, the model {}",
        tree.applied(),
        tree.node_count(),
        reference.len()
    );
    Ok(())
}
