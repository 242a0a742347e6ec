//! The leader's view of one follower. Knows no other follower.
//!
//! ```text
//!  FollowerInfo     NewEpoch sent     AckEpoch      Diff/Trunc/Snap sent      NewLeader sent
//!  ---------> Knocked -----> Promising -----> Promised ---------> Synchronizing -----> Adopting
//!                                                        AckNewLeader                UpToDate sent
//!                                             Adopting ---------> Synchronized -----> Serving
//! ```
//!
//! A new `FollowerInfo` begins anew; a broken link ends it. From `Synchronizing` on the follower is in
//! the stream: it gets each entry exactly once, in order, at the pace at which it acks them.

use std::collections::VecDeque;

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
    /// All of the history with which the reign began was sent, and the epoch.
    Adopting,
    /// It has durably that history and the epoch.
    Synchronized,
    /// It was told that the epoch is established.
    Serving,
}

/// A question to the log on disk: what stands behind the first id, up to the second?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reading {
    pub(crate) after: Zxid,
    pub(crate) upto: Zxid,
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
    /// It was sent all up to here, or was known to have it.
    pub(crate) sent: Zxid,
    /// It was told that all up to here is committed.
    pub(crate) told: Zxid,
    /// The last ping it has answered.
    pub(crate) round: u64,
    /// Once it has answered this ping, it knows that it may vote; 0 if it knew when it knocked.
    pub(crate) knows_by: u64,
    /// A snapshot is on its way to it.
    pub(crate) in_snapshot: bool,
    /// The log on disk is being read for it.
    pub(crate) reading: Option<Reading>,
    /// Sent and not acked: where each message ends, and its bytes.
    under_way: VecDeque<(Zxid, usize)>,
    bytes_under_way: usize,
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
            sent: Zxid::ZERO,
            told: Zxid::ZERO,
            round: 0,
            knows_by: if knock.may_vote { 0 } else { u64::MAX },
            in_snapshot: false,
            reading: None,
            under_way: VecDeque::new(),
            bytes_under_way: 0,
        }
    }

    /// Puts it in the stream, behind `from`, which it has or is about to have by a snapshot.
    pub(crate) fn enter_stream(&mut self, from: Zxid) {
        self.step = Step::Synchronizing;
        self.reading = None;
        (self.sent, self.acked) = (from, from);
    }

    /// Entries are sent to it.
    pub(crate) fn send(&mut self, upto: Zxid, bytes: usize, committed: Zxid) {
        self.sent = upto;
        self.told = self.told.max(committed);
        self.under_way.push_back((upto, bytes));
        self.bytes_under_way += bytes;
    }

    /// It has durably all up to `zxid`.
    pub(crate) fn ack(&mut self, zxid: Zxid) {
        self.acked = self.acked.max(zxid);
        while let Some((end, bytes)) = self.under_way.front().copied()
            && end <= self.acked
        {
            self.under_way.pop_front();
            self.bytes_under_way -= bytes;
        }
    }

    /// True if it is in the stream and more may be sent now, given how much may be under way.
    pub(crate) fn has_room(&self, bytes_max: usize) -> bool {
        self.in_stream() && self.reading.is_none() && self.bytes_under_way < bytes_max
    }

    /// True if it gets entries.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_sent_only_when_enough_of_it_is_durable() {
        let mut learner = LearnerProgress::new(Knock {
            join: Join(1),
            accepted_epoch: Epoch(0),
            may_vote: true,
        });
        assert!(!learner.has_room(100), "not in the stream");
        learner.enter_stream(Zxid::new(1, 1));
        learner.send(Zxid::new(1, 2), 60, Zxid::new(1, 1));
        assert!(learner.has_room(100));
        learner.send(Zxid::new(1, 4), 60, Zxid::new(1, 2));
        assert!(!learner.has_room(100));
        learner.ack(Zxid::new(1, 3));
        assert!(learner.has_room(100), "60 of 120 bytes are durable");
        learner.ack(Zxid::new(1, 4));
        assert_eq!(learner.bytes_under_way, 0);
        assert_eq!(
            (learner.sent, learner.told),
            (Zxid::new(1, 4), Zxid::new(1, 2))
        );
    }
}
