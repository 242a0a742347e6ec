//! Watches and what they tell. Knows no watch table.

use serde::{Deserialize, Serialize};

use crate::{ZnodePath, Zxid};

/// What a watch waits for, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WatchKind {
    /// Left by `get` on a node that is there, and by `exists`: created, changed or deleted.
    Data,
    /// Left by `children`: the list changed or the node was deleted.
    Children,
    /// Everything that happens to the node, again and again.
    Persistent,
    /// Every coming, change and end of the node and of all below it, again and again.
    Recursive,
}

impl WatchKind {
    /// True if it stays in force when it has fired.
    pub const fn stays(self) -> bool {
        matches!(self, Self::Persistent | Self::Recursive)
    }

    /// True if it waits for that event of its own node, or of a node below it.
    pub const fn waits_for(self, event: EventKind, is_below: bool) -> bool {
        match (self, event) {
            (Self::Recursive, EventKind::ChildrenChanged) => false,
            (Self::Recursive, _) => true,
            _ if is_below => false,
            (Self::Persistent, _) | (_, EventKind::Deleted | EventKind::Resync) => true,
            (Self::Data, EventKind::Created | EventKind::Changed) => true,
            (Self::Data, EventKind::ChildrenChanged) => false,
            (Self::Children, EventKind::ChildrenChanged) => true,
            (Self::Children, EventKind::Created | EventKind::Changed) => false,
        }
    }
}

/// A watch as a client re-arms it when it has come to another server or connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatchSpec {
    /// The node.
    pub path: ZnodePath,
    /// What it waits for.
    pub kind: WatchKind,
    /// For a one-time watch: true if the node was not there when it was left.
    pub absent: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// The node came to be.
    Created,
    /// Its data was set.
    Changed,
    /// It is gone.
    Deleted,
    /// Its list of children changed.
    ChildrenChanged,
    /// What happened since the client was last told cannot be said any more: read again what is
    /// watched. The path is the watch's.
    Resync,
}

/// One watch has fired.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// The node.
    pub path: ZnodePath,
    /// What happened to it.
    pub kind: EventKind,
    /// The transaction that did it.
    pub zxid: Zxid,
}
