//! The children of one node, in name order. Holds ids only: names live in the nodes, so every
//! search is told how to read one. Knows nothing of parents or paths.
//!
//! A sorted list cut into chunks: a search is two binary searches, an insertion moves at most one
//! chunk, and a child costs little more than the four bytes of its id.

use std::ops::Bound;

use crate::nodes::NodeId;

/// Most ids in a chunk: 2 KiB to move for an insertion in the middle.
const CHUNK_MAX: usize = 512;

/// Ids in the order of their nodes' names.
///
/// Invariant: no chunk is empty, and names rise strictly through all chunks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Children {
    chunks: Vec<Vec<NodeId>>,
    len: u32,
}

impl Children {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Adds an id whose name is not there yet.
    pub(crate) fn insert<'a>(
        &mut self,
        id: NodeId,
        name: &str,
        name_of: impl Fn(NodeId) -> &'a str,
    ) {
        self.len += 1;
        let (chunk_at, at) = self.place(Bound::Included(name), &name_of);
        let Some(chunk) = self.chunks.get_mut(chunk_at) else {
            // Behind all others: fill chunks wholly, for names that only grow are the usual case.
            match self.chunks.last_mut() {
                Some(last) if last.len() < CHUNK_MAX => last.push(id),
                _ => self.chunks.push(vec![id]),
            }
            return;
        };
        debug_assert!(chunk.get(at).is_none_or(|other| name_of(*other) != name));
        chunk.insert(at, id);
        if chunk.len() > CHUNK_MAX {
            let upper = chunk.split_off(CHUNK_MAX / 2);
            self.chunks.insert(chunk_at + 1, upper);
        }
    }

    /// Takes out the id of that name, if it is there.
    pub(crate) fn remove<'a>(
        &mut self,
        name: &str,
        name_of: impl Fn(NodeId) -> &'a str,
    ) -> Option<NodeId> {
        let (chunk_at, at) = self.place(Bound::Included(name), &name_of);
        let chunk = self.chunks.get_mut(chunk_at)?;
        let id = *chunk.get(at)?;
        if name_of(id) != name {
            return None;
        }
        chunk.remove(at);
        if chunk.is_empty() {
            self.chunks.remove(chunk_at);
        }
        self.len -= 1;
        Some(id)
    }

    /// All ids from a place on, in name order.
    pub(crate) fn iter_at(&self, (chunk_at, at): (usize, usize)) -> impl Iterator<Item = NodeId> {
        let first = self.chunks.get(chunk_at).and_then(|chunk| chunk.get(at..));
        let rest = self.chunks.get(chunk_at + 1..).unwrap_or_default();
        first
            .unwrap_or_default()
            .iter()
            .chain(rest.iter().flatten())
            .copied()
    }

    /// The chunk and the place in it of the first id at or behind `start`.
    pub(crate) fn place<'a>(
        &self,
        start: Bound<&str>,
        name_of: &impl Fn(NodeId) -> &'a str,
    ) -> (usize, usize) {
        let before = |id: &NodeId| match start {
            Bound::Included(name) => name_of(*id) < name,
            Bound::Excluded(name) => name_of(*id) <= name,
            Bound::Unbounded => false,
        };
        // The last name first: appending is the usual case and needs no search.
        if self
            .chunks
            .last()
            .and_then(|c| c.last())
            .is_some_and(before)
        {
            return (self.chunks.len(), 0);
        }
        let chunk_at = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(before));
        let at = self
            .chunks
            .get(chunk_at)
            .map_or(0, |chunk| chunk.partition_point(before));
        (chunk_at, at)
    }
}
