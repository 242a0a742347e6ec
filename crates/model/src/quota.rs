//! How much a subtree may hold. Counts nothing itself.

use serde::{Deserialize, Serialize};

/// Limits of a node and everything below it, the node itself included. Beyond a soft limit the
/// ensemble warns; a change that would go beyond a hard one is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quota {
    /// Nodes, to be warned of.
    pub nodes_soft: Option<u64>,
    /// Nodes, at most.
    pub nodes_hard: Option<u64>,
    /// Bytes of data, to be warned of.
    pub bytes_soft: Option<u64>,
    /// Bytes of data, at most.
    pub bytes_hard: Option<u64>,
}

impl Quota {
    /// True if it limits nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// True if that much is beyond a soft limit.
    pub fn warns_of(&self, usage: Usage) -> bool {
        is_beyond(self.nodes_soft, usage.nodes) || is_beyond(self.bytes_soft, usage.bytes)
    }

    /// True if that much is beyond a hard limit.
    pub fn forbids(&self, usage: Usage) -> bool {
        is_beyond(self.nodes_hard, usage.nodes) || is_beyond(self.bytes_hard, usage.bytes)
    }
}

fn is_beyond(limit: Option<u64>, used: u64) -> bool {
    limit.is_some_and(|limit| used > limit)
}

/// How much a subtree holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// Nodes.
    pub nodes: u64,
    /// Bytes of data.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_what_may_still_be_used() {
        let quota = Quota {
            nodes_soft: Some(1),
            nodes_hard: Some(2),
            bytes_hard: Some(0),
            ..Quota::default()
        };
        let usage = |nodes, bytes| Usage { nodes, bytes };
        assert!(!quota.warns_of(usage(1, 9)) && quota.warns_of(usage(2, 0)));
        assert!(!quota.forbids(usage(2, 0)) && quota.forbids(usage(3, 0)));
        assert!(quota.forbids(usage(0, 1)));
        assert!(Quota::default().is_none() && !quota.is_none());
    }
}
