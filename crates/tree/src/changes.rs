//! What one transaction changed, for those who tell clients, set clocks and compile components.

use zareba_model::{
    Acl, Answer, Attachment, CallId, EventKind, ParkedCall, ServerId, SessionId, Sha256, ZnodePath,
    Zxid,
};

/// What one transaction changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The transaction.
    pub zxid: Zxid,
    /// What happened to nodes, in the order of the effects.
    pub events: Vec<NodeChange>,
    /// Sessions that began.
    pub sessions_opened: Vec<SessionId>,
    /// Sessions that are now held by that server, under that attachment.
    pub sessions_attached: Vec<(SessionId, Attachment, ServerId)>,
    /// Sessions that ended.
    pub sessions_closed: Vec<SessionId>,
    /// Calls that were parked.
    pub calls_parked: Vec<CallId>,
    /// Calls that were answered, with their answers.
    pub calls_ended: Vec<(ParkedCall, Answer)>,
    /// True if an alarm was set, moved or taken back.
    pub timers_changed: bool,
    /// Components whose last piece arrived.
    pub components_completed: Vec<Sha256>,
    /// Components that are kept no more.
    pub components_removed: Vec<Sha256>,
    /// Components that became revisions of a plugin.
    pub revisions_registered: Vec<(String, Sha256)>,
    /// Revisions that became active.
    pub revisions_activated: Vec<(String, Sha256)>,
    /// True if a mount came, changed or went.
    pub mounts_changed: bool,
    /// True if the ensemble was set.
    pub ensemble_changed: bool,
    /// Subtrees that hold more than the soft limit of their quota now, and did not before.
    pub quotas_passed: Vec<ZnodePath>,
    /// Set if this tree was not what the leader's was at the transaction's mark.
    pub diverged: Option<Divergence>,
}

/// One thing that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeChange {
    /// The node.
    pub path: ZnodePath,
    /// What happened.
    pub kind: EventKind,
    /// Who may be told: the node's access control list as it is now, or was at its end.
    pub acl: Acl,
}

/// Proof that two servers do not hold the same state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The transaction after which they differed.
    pub zxid: Zxid,
    /// The leader's digest.
    pub expected: u64,
    /// This tree's digest.
    pub found: u64,
}
