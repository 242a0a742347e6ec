//! A server that leads, from its election on. Knows no payload.
//!
//! ```text
//!  Gathering --quorum of FollowerInfo--> Opening --own epoch durable--> Promising
//!     --quorum of AckEpoch--> Synchronizing --quorum of AckNewLeader, own included--> Established
//! ```
//!
//! Invariant: nothing is proposed, committed or served before `Established`, and there is at most
//! one established leader of an epoch, because a promise of an epoch is given once and durably.

mod broadcast;
mod discovery;
mod feed;
mod synchronization;

use std::collections::BTreeMap;

use thiserror::Error;
use zareba_model::{Entry, Epoch, ServerId, Zxid};

use crate::config::Bug;
use crate::input::Now;
use crate::learner_progress::{LearnerProgress, Step};
use crate::member::{Member, Next};
use crate::message::Message;
use crate::output::{Output, Token};
use crate::persistence::Durable;
use crate::quorum::reached;
use crate::timer::Timer;

/// Only an established leader proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this server is not an established leader")]
pub struct NotLeading;

/// How far a reign has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Waits for a quorum of followers, whose accepted epochs tell the next one.
    Gathering,
    /// The new epoch is on its way to this server's own disk.
    Opening(Token),
    /// Waits for a quorum of promises.
    Promising,
    /// The history is chosen: this server's. Waits for a quorum to have it; the token is this
    /// server's own epochs page.
    Synchronizing(Token),
    /// Reigns.
    Established,
}

/// One reign.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Leading {
    stage: Stage,
    /// The epoch; 0 while gathering.
    epoch: Epoch,
    learners: BTreeMap<ServerId, LearnerProgress>,
    /// When each server was last heard, over broken links too; in waking time, see
    /// [`Member::awake`].
    heard: BTreeMap<ServerId, Now>,
    began_at: Now,
    /// The same in waking time.
    awake_from: Now,
    pinged_at: Now,
    /// How many pings were sent.
    round: u64,
    /// Somebody waits for a ping that is sent from now on.
    ping_wanted: bool,
    /// Proposed and not yet in the history.
    batch: Vec<Entry>,
    /// The end of the history with which the reign began; known from `Synchronizing` on.
    founded_on: Zxid,
    /// The ensemble whose former members have been sent away.
    dismissed: u64,
}

impl Leading {
    /// The reign of a server just elected.
    pub(crate) fn start(member: &mut Member, outputs: &mut Vec<Output>) -> (Self, Next) {
        let mut knocks = std::mem::take(&mut member.knocks);
        knocks.retain(|server, _| member.ensemble().contains(*server));
        let mut leading = Self {
            stage: Stage::Gathering,
            epoch: Epoch(0),
            learners: BTreeMap::new(),
            heard: knocks
                .keys()
                .map(|server| (*server, member.awake))
                .collect(),
            began_at: member.now,
            awake_from: member.awake,
            pinged_at: member.now,
            round: 0,
            ping_wanted: false,
            batch: Vec::new(),
            founded_on: Zxid::ZERO,
            dismissed: member.ensemble().version,
        };
        for (server, knock) in knocks {
            leading.learners.insert(server, LearnerProgress::new(knock));
        }
        let next = leading.advance(member, outputs);
        (leading, next)
    }

    pub(crate) fn on_tick(&mut self, member: &Member, outputs: &mut Vec<Output>) -> Next {
        if self.is_deserted(member) || self.is_late(member) {
            return Next::Look;
        }
        if Timer::Heartbeat.fired(&member.config, self.pinged_at, member.now) {
            self.ping(member, outputs);
        }
        Next::Stay
    }

    pub(crate) fn on_peer_down(&mut self, peer: ServerId, outputs: &mut Vec<Output>) {
        self.forget(peer, outputs);
    }

    pub(crate) fn on_message(
        &mut self,
        member: &mut Member,
        from: ServerId,
        message: Message,
        outputs: &mut Vec<Output>,
    ) -> Next {
        let Some(learner) = self.learners.get(&from) else {
            return Next::Stay;
        };
        self.heard.insert(from, member.awake);
        match message {
            Message::AckEpoch {
                join,
                epoch,
                current_epoch,
                last_zxid,
            } if join == learner.join && epoch == self.epoch => {
                self.on_ack_epoch(member, from, (current_epoch, last_zxid), outputs)
            }
            Message::AckNewLeader {
                join,
                epoch,
                last_zxid,
            } if join == learner.join && epoch == self.epoch => {
                self.on_ack_new_leader(member, from, last_zxid, outputs)
            }
            Message::Ack { epoch, .. }
                if epoch == self.epoch
                    && learner.step < Step::Synchronized
                    && member.config.has_bug(Bug::EarlyAckIsAnError) =>
            {
                Next::Look
            }
            Message::Ack { epoch, zxid } if epoch == self.epoch => {
                self.on_ack(member, from, zxid);
                Next::Stay
            }
            Message::Pong { epoch, number } if epoch == self.epoch => {
                self.on_pong(from, number);
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    /// Goes through as many stages as have been reached.
    pub(crate) fn advance(&mut self, member: &mut Member, outputs: &mut Vec<Output>) -> Next {
        loop {
            let before = self.stage;
            let next = match self.stage {
                Stage::Gathering => self.open_epoch(member, outputs),
                Stage::Opening(token) => self.announce_epoch(member, token, outputs),
                Stage::Promising => self.choose_history(member, outputs),
                Stage::Synchronizing(token) => self.establish(member, token, outputs),
                Stage::Established => Next::Stay,
            };
            if next != Next::Stay || self.stage == before {
                return next;
            }
        }
    }

    /// The end of this reign: streams are void, what was not flushed was never proposed.
    pub(crate) fn end(&mut self, outputs: &mut Vec<Output>) {
        let servers: Vec<ServerId> = self.learners.keys().copied().collect();
        for server in servers {
            self.forget(server, outputs);
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn is_established(&self) -> bool {
        self.stage == Stage::Established
    }

    /// Asserts what must hold after every step.
    pub(crate) fn check(&self, member: &Member) {
        assert!(
            self.batch.is_empty() || self.is_established(),
            "proposed before the reign was established"
        );
        assert!(
            self.stage == Stage::Gathering || member.epochs.accepted == self.epoch,
            "the leader has accepted another epoch than its own"
        );
        for (server, learner) in &self.learners {
            assert!(
                learner.acked <= learner.sent && learner.sent <= member.history.last(),
                "server {server} was sent or has acked what was never proposed"
            );
            assert!(
                learner.step < Step::Serving || self.is_established(),
                "server {server} serves an epoch that is not established"
            );
        }
    }

    fn forget(&mut self, peer: ServerId, outputs: &mut Vec<Output>) {
        if self.learners.remove(&peer).is_some_and(|l| l.in_snapshot) {
            outputs.push(Output::AbandonSnapshot { peer });
        }
    }

    /// True if no quorum has been heard for too long.
    fn is_deserted(&self, member: &Member) -> bool {
        let heard = self.heard.iter().map(|(server, at)| (*server, *at));
        let heard = heard.chain([(member.config.me, member.awake)]);
        // Whoever has not been heard at all is as one heard when the reign began.
        let since = reached(member.ensemble(), heard).unwrap_or(self.awake_from);
        Timer::Silence.fired(&member.config, since, member.awake)
    }

    /// True if the reign should be established by now.
    fn is_late(&self, member: &Member) -> bool {
        !self.is_established()
            && !self.learners.values().any(|learner| learner.in_snapshot)
            && Timer::Join.fired(&member.config, self.began_at, member.now)
    }

    /// True if that follower has durably the history that this reign began with.
    pub(crate) fn has_joined(&self, server: ServerId) -> bool {
        let learner = self.learners.get(&server);
        learner.is_some_and(|learner| learner.step >= Step::Synchronized)
    }

    /// True if that follower serves and knows that it may vote, its log nearly as long as this one.
    pub(crate) fn is_level(&self, member: &Member, server: ServerId) -> bool {
        if server == member.config.me {
            return true;
        }
        let last = member.history.last();
        let lag = |learner: &LearnerProgress| member.history.count(learner.acked, last);
        self.learners
            .get(&server)
            .filter(|learner| learner.step == Step::Serving && learner.round >= learner.knows_by)
            .and_then(lag)
            .is_some_and(|lag| lag <= member.config.lag_entries_max)
    }

    /// Up to where that server has the log durably.
    pub(crate) fn acked(&self, member: &Member, server: ServerId) -> Option<Zxid> {
        if server == member.config.me {
            return Some(Self::own_ack(member).value());
        }
        self.learners.get(&server).map(|learner| learner.acked)
    }

    /// True if a quorum consists of this server and of followers that fit.
    fn has_quorum(&self, member: &Member, fits: impl Fn(&LearnerProgress) -> bool) -> bool {
        let has =
            |server| server == member.config.me || self.learners.get(&server).is_some_and(&fits);
        member.ensemble().is_quorum(has)
    }

    /// Where this server's own log stands among the acks.
    fn own_ack(member: &Member) -> Durable<Zxid> {
        member.writes.log()
    }
}
