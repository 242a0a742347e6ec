//! What servers say to each other to keep one order.
//!
//! | message | from | to | phase |
//! |---|---|---|---|
//! | `Vote` | anybody | anybody | looking (answered in every phase) |
//! | `FollowerInfo` | follower | leader | discovery |
//! | `NewEpoch` | leader | follower | discovery |
//! | `AckEpoch` | follower | leader | discovery |
//! | `Diff`, `Trunc`, `Snap` | leader | follower | synchronization, exactly one, first |
//! | `NewLeader` | leader | follower | synchronization |
//! | `AckNewLeader` | follower | leader | synchronization |
//! | `UpToDate` | leader | follower | synchronization, last |
//! | `Propose` | leader | follower that votes | synchronization and broadcast |
//! | `Inform` | leader | follower that observes | synchronization and broadcast |
//! | `Ack` | follower | leader | synchronization and broadcast (cumulative) |
//! | `Commit` | leader | follower | broadcast (cumulative) |
//! | `Ping`, `Pong` | leader, follower | the other | from discovery on |
//! | `KnockAgain` | leader | follower | from discovery on |

use serde::{Deserialize, Serialize};
use zareba_model::{Entry, Epoch, ServerId, Zxid};

/// Number of one follower's attempt to join one leader; echoed in every message of that attempt,
/// so that nothing of an earlier one can be taken for this one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Join(pub u64);

/// What a vote prefers, in this order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Candidate {
    /// False if it only votes; nobody votes for it.
    pub may_lead: bool,
    /// The newest epoch whose whole initial history the candidate has.
    pub current_epoch: Epoch,
    /// The last transaction in its log; that which lets it go, if it is to leave: what it has behind that
    /// is committed by nobody without those who stay.
    pub last_zxid: Zxid,
    /// True if it may lead in the ensemble that its log ends with, too. One that is to leave leads only
    /// if nobody else has the end of the change.
    pub stays: bool,
    /// Its number, the tie-breaker.
    pub server: ServerId,
}

/// What the sender of a vote is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Electing.
    Looking,
    /// Following the candidate of its vote.
    Following,
    /// Leading; its vote is for itself.
    Leading,
}

/// One server's word in an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// The round of the election; 0 if the sender does not vote: its log was damaged, or is empty.
    pub round: u64,
    /// For whom.
    pub candidate: Candidate,
    /// What the sender is doing.
    pub phase: Phase,
    /// The version of the ensemble in force at the sender.
    pub ensemble_version: u64,
}

impl Vote {
    /// True if its sender has no transaction: nobody votes for a worse candidate than itself, and who
    /// stands behind a leader says how long its own log is.
    pub(crate) fn knows_nothing(&self) -> bool {
        self.candidate.last_zxid == Zxid::ZERO && self.ensemble_version == 0
    }
}

/// One message. Between a leader and a follower, `join` names the attempt.
///
/// The messages of broadcast (`Propose`, `Inform`, `Ack`, `Commit`, `Ping`, `Pong`) carry no `join`, so that
/// one encoding serves all followers. They cannot be taken for those of another attempt:
///
/// - Links are first in, first out, and nothing of an older link arrives on a newer one.
/// - A follower that knocks ignores everything of its leader until it sees a `NewEpoch` with its
///   own `join`. The leader sends that as its answer to the knock, hence behind every word that
///   belongs to an earlier attempt on the same link.
/// - A leader forgets all it knew of a follower at its `FollowerInfo`, which the follower sends
///   behind every word of its earlier attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "the table above and the variants say what their fields are"
)]
pub enum Message {
    /// A vote, or what the sender does instead of voting.
    Vote(Vote),
    /// A follower knocks. `may_vote` is false if its log was damaged and it counts for nothing.
    FollowerInfo {
        join: Join,
        accepted_epoch: Epoch,
        last_zxid: Zxid,
        may_vote: bool,
    },
    /// The epoch the leader wants to open.
    NewEpoch { join: Join, epoch: Epoch },
    /// The follower has durably accepted it; its own history in brief.
    AckEpoch {
        join: Join,
        epoch: Epoch,
        current_epoch: Epoch,
        last_zxid: Zxid,
    },
    /// The follower's log is a prefix of the leader's; proposals behind its end follow.
    Diff { join: Join, epoch: Epoch },
    /// The follower drops all behind `after`; proposals behind that follow.
    Trunc {
        join: Join,
        epoch: Epoch,
        after: Zxid,
    },
    /// The follower replaces its state by the leader's tree, streamed apart, as of `base` or
    /// fuzzily later; proposals behind `base` follow.
    Snap {
        join: Join,
        epoch: Epoch,
        base: Zxid,
    },
    /// All with which the epoch began has been sent, and all up to `last_zxid`.
    NewLeader {
        join: Join,
        epoch: Epoch,
        last_zxid: Zxid,
    },
    /// The follower has durably that history and the epoch.
    AckNewLeader {
        join: Join,
        epoch: Epoch,
        last_zxid: Zxid,
    },
    /// The epoch is established; all up to `committed` may be delivered and clients served.
    UpToDate {
        join: Join,
        epoch: Epoch,
        committed: Zxid,
    },
    /// Transactions, in order, without a hole behind `after`, and the commit point.
    Propose {
        epoch: Epoch,
        after: Zxid,
        entries: Vec<Entry>,
        committed: Zxid,
    },
    /// Committed transactions, in order, without a hole behind `after`, for an observer.
    Inform {
        epoch: Epoch,
        after: Zxid,
        entries: Vec<Entry>,
    },
    /// The follower has durably all up to `zxid`. Before `AckNewLeader` it counts for nothing and
    /// lets the leader send more.
    Ack { epoch: Epoch, zxid: Zxid },
    /// A quorum has durably all up to `zxid`.
    Commit { epoch: Epoch, zxid: Zxid },
    /// The leader lives. `number` counts its rounds.
    Ping {
        epoch: Epoch,
        number: u64,
        committed: Zxid,
    },
    /// The follower lives and follows.
    Pong { epoch: Epoch, number: u64 },
    /// This reign is over, or this attempt: the follower knocks again, without an election.
    KnockAgain { epoch: Epoch },
}
