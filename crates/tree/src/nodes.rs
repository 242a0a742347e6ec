//! All znodes, by id, by path and by parent. Knows nothing of transactions, digests or sessions.

use std::ops::Bound;

use xxhash_rust::xxh3::xxh3_64;
use zareba_model::{Usage, ZnodePath};

use crate::node::Node;
use crate::path_index::PathIndex;

/// A node's place in memory; used again after the node has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

/// Nodes per block. Blocks never move, so that growing copies nothing and wastes at most one.
const BLOCK: usize = 1024;

/// The znodes.
///
/// Invariant: every node but the root is listed in its parent's folder, and in the path index.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    blocks: Vec<Vec<Option<Node>>>,
    free: Vec<NodeId>,
    index: PathIndex,
    len: usize,
}

impl Nodes {
    /// The root alone.
    pub(crate) fn new() -> Self {
        let mut nodes = Self {
            blocks: Vec::new(),
            free: Vec::new(),
            index: PathIndex::default(),
            len: 0,
        };
        nodes.store(Node::root());
        nodes
    }

    /// Adds a node below its parent. Its path must be new.
    pub(crate) fn insert(&mut self, parent: NodeId, node: Node) -> NodeId {
        let path = node.path.clone();
        let id = self.store(node);
        let Some(mut folder) = self.get_mut(parent).and_then(|p| p.folder.take()) else {
            let pzxid = self.get(parent).map_or_else(Default::default, Node::pzxid);
            let mut folder = crate::node::Folder {
                pzxid,
                ..Default::default()
            };
            folder.children.insert(id, path.name(), |_| "");
            if let Some(parent) = self.get_mut(parent) {
                parent.folder = Some(Box::new(folder));
            }
            return id;
        };
        let name_of = self.names_below(parent);
        folder.children.insert(id, path.name(), name_of);
        if let Some(parent) = self.get_mut(parent) {
            parent.folder = Some(folder);
        }
        id
    }

    /// Takes a node out of its parent's folder; the node itself stays until it is freed.
    pub(crate) fn unlink(&mut self, parent: NodeId, name: &str) {
        if let Some(mut folder) = self.get_mut(parent).and_then(|p| p.folder.take()) {
            folder.children.remove(name, self.names_below(parent));
            if let Some(parent) = self.get_mut(parent) {
                parent.folder = Some(folder);
            }
        }
    }

    /// Frees a node that no folder lists any more.
    pub(crate) fn free(&mut self, id: NodeId) -> Option<Node> {
        let node = self.slot_mut(id)?.take()?;
        self.index.remove(hash(node.path.as_str()), id);
        self.free.push(id);
        self.len -= 1;
        Some(node)
    }

    /// The node itself and all nodes below it, parents first.
    pub(crate) fn subtree(&self, top: NodeId) -> Vec<NodeId> {
        let mut ids = vec![top];
        let mut at = 0;
        while let Some(id) = ids.get(at).copied() {
            ids.extend(self.children(id, Bound::Unbounded));
            at += 1;
        }
        ids
    }

    /// How many nodes are below one; `None` if they are more than `max`.
    pub(crate) fn count_below(&self, top: NodeId, max: u64) -> Option<u64> {
        let mut waiting = vec![top];
        let mut count = 0;
        while let Some(id) = waiting.pop() {
            let node = self.get(id)?;
            count += node.child_count();
            if count > max {
                return None;
            }
            waiting.extend(self.children(id, Bound::Unbounded));
        }
        Some(count)
    }

    /// How much a node and all nodes below it hold.
    pub(crate) fn usage(&self, top: NodeId) -> Usage {
        let mut waiting = vec![top];
        let mut usage = Usage::default();
        while let Some(id) = waiting.pop() {
            if let Some(node) = self.get(id) {
                let own = node.usage();
                usage.nodes += own.nodes;
                usage.bytes += own.bytes;
            }
            waiting.extend(self.children(id, Bound::Unbounded));
        }
        usage
    }

    pub(crate) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.slot_mut(id)?.as_mut()
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        let (block, place) = split(id);
        self.blocks.get(block)?.get(place)?.as_ref()
    }

    pub(crate) fn find(&self, path: &str) -> Option<NodeId> {
        self.index.find(hash(path), |id| {
            self.get(id).is_some_and(|n| n.path.as_str() == path)
        })
    }

    /// How many there are, the root included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A node's children from a name on, in name order.
    pub(crate) fn children<'a>(
        &'a self,
        id: NodeId,
        start: Bound<&str>,
    ) -> impl Iterator<Item = NodeId> + use<'a> {
        let folder = self.get(id).and_then(|node| node.folder.as_deref());
        let found = folder.map(|folder| {
            let place = folder.children.place(start, &self.names_below(id));
            folder.children.iter_at(place)
        });
        found.into_iter().flatten()
    }

    /// The node that comes after a path when every node comes before its children and children
    /// come in name order. The path itself need not be there.
    pub(crate) fn successor(&self, path: &ZnodePath) -> Option<&Node> {
        let first = self
            .find(path.as_str())
            .and_then(|id| self.children(id, Bound::Unbounded).next());
        if let Some(id) = first {
            return self.get(id);
        }
        let mut rest = path.as_str();
        while let Some((parent, name)) = rest.rsplit_once('/') {
            if rest.len() <= 1 {
                return None;
            }
            let above = if parent.is_empty() { "/" } else { parent };
            let next = self
                .find(above)
                .and_then(|id| self.children(id, Bound::Excluded(name)).next());
            if let Some(id) = next {
                return self.get(id);
            }
            rest = parent;
        }
        None
    }

    /// All of them, in no order that may be observed.
    pub(crate) fn unordered(&self) -> impl Iterator<Item = &Node> {
        self.blocks.iter().flatten().flatten()
    }

    /// How to read the names of a node's children: a search asks for many, and need not look for where each begins.
    fn names_below<'a>(&'a self, parent: NodeId) -> impl Fn(NodeId) -> &'a str {
        let above = self
            .get(parent)
            .map_or(0, |node| match node.path.is_root() {
                true => 0,
                false => node.path.as_str().len(),
            });
        move |id| {
            let path = self.get(id).map(|node| node.path.as_str());
            path.and_then(|path| path.get(above + 1..)).unwrap_or("")
        }
    }

    fn store(&mut self, node: Node) -> NodeId {
        let hash = hash(node.path.as_str());
        let id = self.free.pop().unwrap_or_else(|| self.fresh());
        if let Some(slot) = self.slot_mut(id) {
            *slot = Some(node);
        }
        self.index.insert(hash, id);
        self.len += 1;
        id
    }

    fn fresh(&mut self) -> NodeId {
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            // The first block is grown slowly: a tree in a test should not cost 100 KiB.
            let capacity = if self.blocks.is_empty() { 0 } else { BLOCK };
            self.blocks.push(Vec::with_capacity(capacity));
        }
        let full = (self.blocks.len() - 1) * BLOCK;
        let place = self.blocks.last_mut().map_or(0, |block| {
            block.push(None);
            block.len() - 1
        });
        match u32::try_from(full + place) {
            Ok(id) if id != u32::MAX => NodeId(id),
            _ => panic!("a tree holds at most 2^32 - 1 znodes"),
        }
    }

    fn slot_mut(&mut self, id: NodeId) -> Option<&mut Option<Node>> {
        let (block, place) = split(id);
        self.blocks.get_mut(block)?.get_mut(place)
    }
}

fn split(id: NodeId) -> (usize, usize) {
    (id.0 as usize / BLOCK, id.0 as usize % BLOCK)
}

fn hash(path: &str) -> u64 {
    xxh3_64(path.as_bytes())
}
