//! A server that follows one leader, from its choice on. Knows no other follower.
//!
//! ```text
//!  Knocking --NewEpoch--> Promising --durable, AckEpoch sent--> Promised
//!    --Diff, Trunc--> Synchronizing --NewLeader--> Adopting --durable, AckNewLeader sent--> Adopted
//!    --Snap--> Receiving --snapshot installed--> Synchronizing
//!  Adopted --UpToDate--> Broadcasting
//! ```
//!
//! Proposals and commit points are taken from `Synchronizing` on, in order, by one path, whatever else
//! is under way, and acked as soon as they are durable, so that more can come; nothing is delivered
//! before `Broadcasting`. Whatever breaks the stream, a hole above all, sends the server back to
//! looking; the leader's `KnockAgain` sends it back to `Knocking`.

mod broadcast;
mod discovery;
mod synchronization;

use std::collections::VecDeque;

use zareba_model::{Epoch, ServerId, Zxid};

use crate::config::Bug;
use crate::input::Now;
use crate::member::{Member, Next};
use crate::message::{Join, Message, Phase};
use crate::output::{Output, Token};
use crate::timer::Timer;

/// How far the server has come with its leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Waits for the link, if there is none, and for the epoch.
    Knocking { sent: bool },
    /// The promise of the epoch is on its way to the disk.
    Promising(Token),
    /// Waits for the way to be brought level.
    Promised,
    /// A snapshot replaces the log; what the leader says meanwhile is kept, in order.
    Receiving { base: Zxid, kept: VecDeque<Message> },
    /// Takes the leader's history.
    Synchronizing,
    /// Has it; history and epoch are on their way to the disk.
    Adopting { token: Token, last_zxid: Zxid },
    /// Waits for the reign to be established.
    Adopted,
    /// Serves.
    Broadcasting,
}

/// One attempt to follow one leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Following {
    leader: ServerId,
    join: Join,
    /// The leader's epoch; 0 while knocking.
    epoch: Epoch,
    stage: Stage,
    began_at: Now,
    /// In waking time, see [`Member::awake`].
    heard_at: Now,
    /// The leader knows that this is durable here.
    acked: Zxid,
}

impl Following {
    /// Knocks at the leader's door, or waits for the link to it.
    pub(crate) fn start(
        member: &mut Member,
        leader: ServerId,
        outputs: &mut Vec<Output>,
    ) -> (Self, Next) {
        member.knocks.clear();
        let mut following = Self {
            leader,
            join: Join::default(),
            epoch: Epoch(0),
            stage: Stage::Knocking { sent: false },
            began_at: member.now,
            heard_at: member.awake,
            acked: Zxid::ZERO,
        };
        if member.peers.contains(&leader) {
            following.knock(member, outputs);
        }
        (following, Next::Stay)
    }

    pub(crate) fn on_tick(&self, member: &Member) -> Next {
        // A snapshot takes its time, and how long to wait for other followers the leader decides.
        let joining = !matches!(
            self.stage,
            Stage::Receiving { .. } | Stage::Adopted | Stage::Broadcasting
        );
        let silent = Timer::Silence.fired(&member.config, self.heard_at, member.awake);
        if silent || joining && Timer::Join.fired(&member.config, self.began_at, member.now) {
            return Next::Look;
        }
        Next::Stay
    }

    pub(crate) fn on_peer_up(
        &mut self,
        member: &mut Member,
        peer: ServerId,
        outputs: &mut Vec<Output>,
    ) {
        if peer == self.leader && self.stage == (Stage::Knocking { sent: false }) {
            self.knock(member, outputs);
        }
    }

    pub(crate) fn on_peer_down(&self, peer: ServerId) -> Next {
        if peer == self.leader {
            Next::Look
        } else {
            Next::Stay
        }
    }

    pub(crate) fn on_message(
        &mut self,
        member: &mut Member,
        from: ServerId,
        message: Message,
        outputs: &mut Vec<Output>,
    ) -> Next {
        if from != self.leader {
            return Next::Stay;
        }
        if let Stage::Knocking { sent } = self.stage {
            // Everything else on this link belongs to an earlier attempt.
            return match message {
                Message::NewEpoch { join, epoch } if sent && join == self.join => {
                    self.heard_at = member.awake;
                    self.on_new_epoch(member, epoch, outputs)
                }
                _ => Next::Stay,
            };
        }
        self.heard_at = member.awake;
        if let Message::Ping { number, .. } = message {
            self.send_pong(number, outputs);
        }
        match &mut self.stage {
            Stage::Receiving { .. } if matches!(message, Message::Ping { .. }) => Next::Stay,
            Stage::Receiving { kept, .. } if !matches!(message, Message::KnockAgain { .. }) => {
                // The leader sends only so much that is not acked.
                kept.push_back(message);
                Next::Stay
            }
            _ => self.on_stream(member, message, outputs),
        }
    }

    /// True if a vote shows that the leader has resigned. While this server knocks, the vote may
    /// be older than the reign.
    pub(crate) fn is_left_by(&self, voter: ServerId, phase: Phase) -> bool {
        voter == self.leader
            && phase == Phase::Looking
            && !matches!(self.stage, Stage::Knocking { .. })
    }

    /// A write has become durable.
    pub(crate) fn on_persisted(&mut self, member: &Member, outputs: &mut Vec<Output>) {
        match self.stage {
            Stage::Promising(token) => self.acknowledge_epoch(member, token, outputs),
            Stage::Adopting { token, last_zxid } => {
                self.acknowledge_history(member, token, last_zxid, outputs);
            }
            _ => {}
        }
    }

    /// The end of this attempt.
    pub(crate) fn end(&self, outputs: &mut Vec<Output>) {
        if let Stage::Receiving { .. } = self.stage {
            outputs.push(Output::AbandonSnapshot { peer: self.leader });
        }
    }

    pub(crate) fn leader(&self) -> ServerId {
        self.leader
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn is_broadcasting(&self) -> bool {
        self.stage == Stage::Broadcasting
    }

    /// Asserts what must hold after every step.
    pub(crate) fn check(&self, member: &Member) {
        assert!(
            self.acked <= member.writes.log().value(),
            "acked up to {} what is not durable",
            self.acked
        );
        if matches!(self.stage, Stage::Adopted | Stage::Broadcasting) {
            assert_eq!(
                member.epochs.current, self.epoch,
                "follows an epoch without having adopted it"
            );
        }
    }

    /// One message of the leader's stream, in its place.
    fn on_stream(
        &mut self,
        member: &mut Member,
        message: Message,
        outputs: &mut Vec<Output>,
    ) -> Next {
        if !self.is_of_this_attempt(&message) {
            return Next::Look;
        }
        match (&self.stage, message) {
            (Stage::Promised, Message::Diff { .. }) => self.on_diff(member, outputs),
            (Stage::Promised, Message::Trunc { after, .. }) => {
                self.on_trunc(member, after, outputs)
            }
            (Stage::Promised, Message::Snap { base, .. }) => self.on_snap(member, base, outputs),
            (Stage::Synchronizing, Message::NewLeader { last_zxid, .. }) => {
                self.on_new_leader(member, last_zxid, outputs)
            }
            (Stage::Adopted, Message::UpToDate { committed, .. }) => {
                self.on_up_to_date(member, committed, outputs)
            }
            (
                stage,
                Message::Propose {
                    after,
                    entries,
                    committed,
                    ..
                },
            ) if stage.streams() => self.on_propose(member, after, entries, committed, outputs),
            (stage, Message::Inform { after, entries, .. }) if stage.streams() => {
                let committed = entries.last().map_or(Zxid::ZERO, |entry| entry.zxid);
                self.on_propose(member, after, entries, committed, outputs)
            }
            (_, Message::KnockAgain { .. }) => {
                self.end(outputs);
                self.knock(member, outputs);
                Next::Stay
            }
            (Stage::Adopted, Message::Commit { .. })
                if member.config.has_bug(Bug::EarlyCommitIsAnError) =>
            {
                Next::Look
            }
            (stage, Message::Commit { zxid, .. }) if stage.streams() => {
                self.on_commit(member, zxid)
            }
            (stage, Message::Ping { committed, .. }) if stage.streams() => {
                self.on_commit(member, committed)
            }
            (_, Message::Ping { .. }) => Next::Stay,
            _ => Next::Look,
        }
    }

    fn is_of_this_attempt(&self, message: &Message) -> bool {
        match message {
            Message::Diff { join, epoch }
            | Message::Trunc { join, epoch, .. }
            | Message::Snap { join, epoch, .. }
            | Message::NewLeader { join, epoch, .. }
            | Message::UpToDate { join, epoch, .. } => *join == self.join && *epoch == self.epoch,
            Message::Propose { epoch, .. }
            | Message::Inform { epoch, .. }
            | Message::KnockAgain { epoch }
            | Message::Commit { epoch, .. }
            | Message::Ping { epoch, .. } => *epoch == self.epoch,
            _ => false,
        }
    }
}

impl Stage {
    /// True while proposals and commit points are taken.
    fn streams(&self) -> bool {
        matches!(
            self,
            Self::Synchronizing | Self::Adopting { .. } | Self::Adopted | Self::Broadcasting
        )
    }
}
