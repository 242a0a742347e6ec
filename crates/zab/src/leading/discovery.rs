//! Leading, discovery: collects promises and chooses the epoch and the history. Knows no proposal.

use zareba_model::{Epoch, ServerId, Zxid};

use super::{Leading, Stage};
use crate::config::Bug;
use crate::learner_progress::{LearnerProgress, Step};
use crate::member::{Knock, Member, Next, send};
use crate::message::Message;
use crate::output::{Output, Token};
use crate::persistence::Epochs;

impl Leading {
    /// A follower knocks, perhaps again.
    pub(crate) fn on_follower_info(
        &mut self,
        member: &mut Member,
        from: ServerId,
        knock: Knock,
        outputs: &mut Vec<Output>,
    ) -> Next {
        if !member.ensemble().contains(from) {
            // It is to be made a member first; as an observer, it is brought level then.
            return Next::Stay;
        }
        self.forget(from, outputs);
        self.heard.insert(from, member.awake);
        self.learners.insert(from, LearnerProgress::new(knock));
        match self.stage {
            Stage::Gathering => self.advance(member, outputs),
            Stage::Established if knock.accepted_epoch > self.epoch => {
                // It has promised a newer epoch and can never follow this one.
                self.turn_over(member, outputs)
            }
            _ if knock.accepted_epoch > self.epoch => Next::Look,
            Stage::Opening(_) | Stage::Promising if !self.can_be_promised(member) => {
                // It has promised this epoch before its link or its process broke, which nobody can
                // count, and without it there is no quorum: the next epoch is a new question.
                self.turn_over(member, outputs)
            }
            Stage::Opening(_) => Next::Stay,
            Stage::Promising | Stage::Synchronizing(_) | Stage::Established => {
                self.send_new_epoch(from, outputs);
                Next::Stay
            }
        }
    }

    /// Opens a new epoch without an election: everybody is known, so everybody knocks again. Nothing
    /// of the old epoch is lost, committed or not: it is in the log that the new one begins with.
    pub(super) fn turn_over(&mut self, member: &mut Member, outputs: &mut Vec<Output>) -> Next {
        let told = self
            .learners
            .iter()
            .filter(|(_, it)| it.step > Step::Knocked);
        for server in told.map(|(server, _)| *server).collect::<Vec<_>>() {
            self.send_away(server, outputs);
        }
        self.batch.clear();
        self.stage = Stage::Gathering;
        self.epoch = Epoch(0);
        self.began_at = member.now;
        self.awake_from = member.awake;
        self.advance(member, outputs)
    }

    /// The follower is to begin anew.
    pub(super) fn send_away(&mut self, to: ServerId, outputs: &mut Vec<Output>) {
        let epoch = self.epoch;
        send(to, Message::KnockAgain { epoch }, outputs);
        self.forget(to, outputs);
    }

    /// The epoch is the one after the newest that a quorum has promised; this server promises it
    /// first.
    pub(super) fn open_epoch(&mut self, member: &mut Member, outputs: &mut Vec<Output>) -> Next {
        if !self.has_quorum(member, |learner| learner.counts) {
            return Next::Stay;
        }
        let promised = self.learners.values().map(|learner| learner.accepted_epoch);
        let newest = promised.fold(member.epochs.accepted, Epoch::max);
        let Some(epoch) = newest.next() else {
            return Next::Look;
        };
        self.epoch = epoch;
        let epochs = Epochs {
            accepted: epoch,
            current: member.epochs.current,
        };
        self.stage = Stage::Opening(member.write_epochs(epochs, outputs));
        Next::Stay
    }

    /// Nobody hears of the epoch before this server has it durably.
    pub(super) fn announce_epoch(
        &mut self,
        member: &Member,
        token: Token,
        outputs: &mut Vec<Output>,
    ) -> Next {
        let is_durable = member.writes.once(token, self.epoch).is_some();
        if !is_durable && !member.config.has_bug(Bug::EpochNamedBeforeDurable) {
            return Next::Stay;
        }
        self.stage = Stage::Promising;
        let servers: Vec<ServerId> = self.learners.keys().copied().collect();
        for server in servers {
            self.send_new_epoch(server, outputs);
        }
        Next::Stay
    }

    /// A follower has promised the epoch.
    pub(super) fn on_ack_epoch(
        &mut self,
        member: &mut Member,
        from: ServerId,
        (current_epoch, last_zxid): (Epoch, Zxid),
        outputs: &mut Vec<Output>,
    ) -> Next {
        let Some(learner) = self.learners.get_mut(&from) else {
            return Next::Stay;
        };
        if learner.step != Step::Promising {
            return Next::Stay;
        }
        learner.step = Step::Promised;
        learner.last_zxid = last_zxid;
        if self.stage == Stage::Promising {
            let own = (member.epochs.current, member.history.last());
            if learner.counts && (current_epoch, last_zxid) > own {
                // Its history is newer: it should lead.
                return Next::Look;
            }
            return self.advance(member, outputs);
        }
        self.synchronize(member, from, outputs);
        Next::Stay
    }

    /// A quorum has promised the epoch, and none of it has a newer history than this server.
    pub(super) fn choose_history(
        &mut self,
        member: &mut Member,
        outputs: &mut Vec<Output>,
    ) -> Next {
        let epoch = self.epoch;
        if !self.has_quorum(member, |learner| learner.has_promised(epoch)) {
            return Next::Stay;
        }
        let epochs = Epochs {
            accepted: epoch,
            current: epoch,
        };
        self.stage = Stage::Synchronizing(member.write_epochs(epochs, outputs));
        self.founded_on = member.history.last();
        let promised = self
            .learners
            .iter()
            .filter(|(_, l)| l.step == Step::Promised);
        let servers: Vec<ServerId> = promised.map(|(server, _)| *server).collect();
        for server in servers {
            self.synchronize(member, server, outputs);
        }
        Next::Stay
    }

    /// True if those who are here are a quorum whose promises of this epoch count, given or not.
    fn can_be_promised(&self, member: &Member) -> bool {
        let epoch = self.epoch;
        self.has_quorum(member, |it| it.counts && it.accepted_epoch < epoch)
    }

    fn send_new_epoch(&mut self, to: ServerId, outputs: &mut Vec<Output>) {
        if let Some(learner) = self.learners.get_mut(&to) {
            learner.step = Step::Promising;
            let message = Message::NewEpoch {
                join: learner.join,
                epoch: self.epoch,
            };
            send(to, message, outputs);
        }
    }
}
