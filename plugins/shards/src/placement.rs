//! Which shard is on which node. Must never know the tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Index, Shard};

/// All shards and all live nodes.
pub(crate) struct Placement {
    /// How many shards each live node has.
    loads: BTreeMap<String, usize>,
    indexes: BTreeMap<String, Index>,
    changed: BTreeSet<String>,
}

impl Placement {
    pub(crate) fn new(live: Vec<String>, indexes: BTreeMap<String, Index>) -> Self {
        let mut loads: BTreeMap<String, usize> = live.into_iter().map(|node| (node, 0)).collect();
        let nodes = indexes
            .values()
            .flat_map(|index| index.shards.values().flatten());
        for node in nodes {
            if let Some(load) = loads.get_mut(node) {
                *load += 1;
            }
        }
        Self {
            loads,
            indexes,
            changed: BTreeSet::new(),
        }
    }

    /// Takes shards from dead nodes, and puts those that are on too few on the nodes with the fewest.
    pub(crate) fn mend(&mut self) {
        for (name, index) in &mut self.indexes {
            let level = usize::try_from(index.replication).unwrap_or(usize::MAX);
            let wanted = level.min(self.loads.len());
            for nodes in index.shards.values_mut() {
                let before = nodes.len();
                nodes.retain(|node| self.loads.contains_key(node));
                if nodes.len() != before {
                    self.changed.insert(name.clone());
                }
                while nodes.len() < wanted {
                    let free = self.loads.iter().filter(|(node, _)| !nodes.contains(node));
                    let Some(node) = free.min_by_key(|(_, load)| **load).map(|it| it.0.clone())
                    else {
                        break;
                    };
                    *self.loads.entry(node.clone()).or_default() += 1;
                    nodes.push(node);
                    self.changed.insert(name.clone());
                }
            }
        }
    }

    /// Moves shards until no node has two more than another that could have them; how many.
    pub(crate) fn level(&mut self) -> u64 {
        self.mend();
        let mut moved = 0;
        for (name, index) in &mut self.indexes {
            for nodes in index.shards.values_mut() {
                let having = nodes.clone();
                for node in nodes.iter_mut() {
                    let own = self.loads.get(node).copied().unwrap_or(0);
                    // Two of one shard on one node would be one.
                    let others = self
                        .loads
                        .iter()
                        .filter(|(other, _)| !having.contains(other));
                    let least = others.min_by_key(|(_, load)| **load);
                    let Some((other, load)) = least.map(|(node, load)| (node.clone(), *load))
                    else {
                        continue;
                    };
                    if own < load + 2 {
                        continue;
                    }
                    *self.loads.entry(other.clone()).or_default() += 1;
                    *self.loads.entry(node.clone()).or_default() -= 1;
                    *node = other;
                    self.changed.insert(name.clone());
                    moved += 1;
                    // The rest of it moves another time: `having` is old now.
                    break;
                }
            }
        }
        moved
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &String> {
        self.loads.keys()
    }

    pub(crate) fn is_live(&self, node: &str) -> bool {
        self.loads.contains_key(node)
    }

    pub(crate) fn changed(&self) -> impl Iterator<Item = (&String, &Index)> {
        self.indexes
            .iter()
            .filter(|(name, _)| self.changed.contains(*name))
    }

    /// The shards of each node, in order.
    pub(crate) fn work(&self) -> BTreeMap<String, Vec<Shard>> {
        let mut work: BTreeMap<String, Vec<Shard>> = BTreeMap::new();
        for (index, of) in &self.indexes {
            for (shard, nodes) in &of.shards {
                for node in nodes {
                    work.entry(node.clone()).or_default().push(Shard {
                        index: index.clone(),
                        shard: shard.clone(),
                    });
                }
            }
        }
        work
    }
}
