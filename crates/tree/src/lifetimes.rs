//! Which nodes are about to end by themselves: those with a TTL, and containers that have become
//! empty. Knows no clock: when the time has come, the leader says.

use std::collections::BTreeSet;

use zareba_model::{Lifetime, ZnodePath};

use crate::node::Node;

/// Nodes without children that have a lifetime of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    /// By when it is over, milliseconds since the Unix epoch.
    due: BTreeSet<(u64, ZnodePath)>,
    /// Containers that have had children.
    empty: BTreeSet<ZnodePath>,
}

impl Lifetimes {
    /// A node is as it is now.
    pub(crate) fn insert(&mut self, node: &Node) {
        match node.lifetime() {
            Lifetime::Persistent | Lifetime::Ephemeral(_) => {}
            _ if node.child_count() > 0 => {}
            Lifetime::Ttl(ms) => {
                self.due.insert((due(node, ms), node.path.clone()));
            }
            Lifetime::Container if node.created() > 0 => {
                self.empty.insert(node.path.clone());
            }
            Lifetime::Container => {}
        }
    }

    /// A node is about to become another than it is now, or to go.
    pub(crate) fn remove(&mut self, node: &Node) {
        match node.lifetime() {
            Lifetime::Persistent | Lifetime::Ephemeral(_) => {}
            Lifetime::Ttl(ms) => {
                self.due.remove(&(due(node, ms), node.path.clone()));
            }
            Lifetime::Container => {
                self.empty.remove(&node.path);
            }
        }
    }

    pub(crate) fn due(&self) -> impl Iterator<Item = (u64, &ZnodePath)> {
        self.due.iter().map(|(due, path)| (*due, path))
    }

    pub(crate) fn empty_containers(&self) -> impl Iterator<Item = &ZnodePath> {
        self.empty.iter()
    }
}

fn due(node: &Node, ms: u64) -> u64 {
    node.mtime.saturating_add(ms)
}
