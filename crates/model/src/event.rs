//! Watches and what they tell. Knows no watch table.

use serde::{Deserialize, Serialize};

use crate::{ZnodePath, Zxid};

/// What a one-time watch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WatchKind {
    /// Left by `get` on a node that is there, and by `exists`: created, changed or deleted.
    Data,
    /// Left by `children`: the list changed or the node was deleted.
    Children,
}

/// A watch as a client re-arms it after it has changed servers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatchSpec {
    /// The node.
    pub path: ZnodePath,
    /// What it waits for.
    pub kind: WatchKind,
    /// True if the node was not there when the watch was left.
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
