//! The leader's view of one follower. Knows no other follower.
//!
//! ```text
//!  FollowerInfo      NewEpoch sent     AckEpoch        Diff/Trunc/Snap,   AckNewLeader      UpToDate sent
//!  ----------> Knocked ------> Promising ------> Promised ---------> Synchronizing -----> Synchronized ----> Serving
//!                                                          NewLeader sent
//! ```
//!
//! A new `FollowerInfo` begins anew; a broken link ends it. From `Synchronizing` on the follower is in
//! the stream of proposals and gets each one exactly once.

use zareba_model::{Epoch, Zxid};

use crate::member::Knock;
use crate::message::Join;

/// How far a follower has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// It waits for the epoch.
    Knocked,
    /// It was asked to accept the epoch.
    Promising,
    /// It has.
    Promised,
    /// The history is on its way.
    Synchronizing,
    /// It has durably the history and the epoch.
    Synchronized,
    /// It was told that the epoch is established.
    Serving,
}

/// One follower.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LearnerProgress {
    pub(crate) join: Join,
    pub(crate) step: Step,
    /// Its word counts in quorums: its log was never damaged, or it has been brought level.
    pub(crate) counts: bool,
    /// What it had promised when it knocked.
    pub(crate) accepted_epoch: Epoch,
    /// The end of its log, as of its promise.
    pub(crate) last_zxid: Zxid,
    /// It has durably all up to here.
    pub(crate) acked: Zxid,
    /// The last ping it has answered.
    pub(crate) round: u64,
    /// A snapshot is on its way to it.
    pub(crate) in_snapshot: bool,
}

impl LearnerProgress {
    /// A follower that has just knocked.
    pub(crate) fn new(knock: Knock) -> Self {
        Self {
            join: knock.join,
            step: Step::Knocked,
            counts: knock.may_vote,
            accepted_epoch: knock.accepted_epoch,
            last_zxid: Zxid::ZERO,
            acked: Zxid::ZERO,
            round: 0,
            in_snapshot: false,
        }
    }

    /// True if it gets proposals.
    pub(crate) fn in_stream(&self) -> bool {
        self.step >= Step::Synchronizing
    }

    /// True if its acks count.
    pub(crate) fn is_synchronized(&self) -> bool {
        self.counts && self.step >= Step::Synchronized
    }

    /// True if its promise of `epoch` counts. One that had promised the same epoch before may have
    /// done so to another server, and a promise is given once.
    pub(crate) fn has_promised(&self, epoch: Epoch) -> bool {
        self.counts && self.step >= Step::Promised && self.accepted_epoch < epoch
    }
}
