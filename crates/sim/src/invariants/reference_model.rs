//! I21: the tree is what an independent model makes of the same transactions.

use std::collections::BTreeSet;

use zareba_model::ZnodePath;
use zareba_tree::Tree;

use crate::reference::Reference;
use crate::violation::{Violation, hold};

const NAME: &str = "reference_model";

/// Compares the nodes that a transaction has touched.
pub(crate) fn check(
    tree: &Tree,
    reference: &Reference,
    touched: &BTreeSet<ZnodePath>,
) -> Result<(), Violation> {
    for path in touched {
        let found = tree.node(path.as_str()).map(|node| node.data());
        let expected = reference.node(path).map(|seen| &seen.data);
        hold!(
            found.as_ref() == expected,
            NAME,
            "at {} the node {path} is {found:?}, the model has {expected:?}",
            tree.applied()
        );
    }
    hold!(
        tree.node_count() == reference.len(),
        NAME,
        "at {} the tree has {} nodes, the model {}",
        tree.applied(),
        tree.node_count(),
        reference.len()
    );
    Ok(())
}
