//! Ephemeral nodes exist for live sessions only, and are listed under their owners.

use zareba_model::Zxid;
use zareba_tree::Tree;

use crate::reference::Reference;
use crate::violation::{Violation, hold};

const NAME: &str = "ephemerals";

pub(crate) fn check(tree: &Tree, reference: &Reference, zxid: Zxid) -> Result<(), Violation> {
    let mut owned = 0;
    for (path, owner) in reference.owned() {
        owned += 1;
        hold!(
            tree.session(owner).is_some(),
            NAME,
            "at {zxid} the node {path} belongs to {owner}, which is over"
        );
        hold!(
            tree.ephemerals(owner).any(|own| own == path),
            NAME,
            "at {zxid} the node {path} is not listed under {owner}"
        );
    }
    let listed: usize = tree
        .sessions()
        .map(|session| tree.ephemerals(session.id).count())
        .sum();
    hold!(
        listed == owned,
        NAME,
        "at {zxid} there are {owned} ephemeral nodes and {listed} listed ones"
    );
    Ok(())
}
