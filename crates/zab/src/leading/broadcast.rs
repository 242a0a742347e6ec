//! Leading, broadcast: proposes, counts acks, commits in order, and keeps the followers' company.
//! Knows nothing of how a follower was brought level.

use bytes::Bytes;
use zareba_model::{Entry, ServerId, Zxid};

use super::{Leading, NotLeading, Stage};
use crate::config::Bug;
use crate::learner_progress::LearnerProgress;
use crate::member::{Member, Next};
use crate::output::Output;
use crate::quorum::reached;

impl Leading {
    /// The id of the next proposal; `None` before the reign is established and when its counter is
    /// used up.
    pub(crate) fn next_zxid(&self, member: &Member) -> Option<Zxid> {
        if !self.is_established() {
            return None;
        }
        let last = self
            .batch
            .last()
            .map_or(member.history.last(), |entry| entry.zxid);
        let last = last.max(Zxid::start_of(self.epoch));
        if last.counter >= member.config.counter_max
            && member.config.has_bug(Bug::CounterCarriesIntoEpoch)
        {
            return Some(Zxid::new(last.epoch.0 + 1, 1));
        }
        last.next()
            .filter(|next| next.counter <= member.config.counter_max)
    }

    /// Puts a transaction in the open batch.
    pub(crate) fn propose(&mut self, member: &Member, payload: Bytes) -> Result<Zxid, NotLeading> {
        let zxid = self.next_zxid(member).ok_or(NotLeading)?;
        self.batch.push(Entry { zxid, payload });
        Ok(zxid)
    }

    /// How many transactions are in the open batch.
    pub(crate) fn batched(&self) -> usize {
        self.batch.len()
    }

    /// Commits what a quorum has, closes the batch, and tells the followers both.
    pub(crate) fn flush(&mut self, member: &mut Member, outputs: &mut Vec<Output>) -> Next {
        if self.is_established() {
            self.commit(member);
            member.append(std::mem::take(&mut self.batch), outputs);
        }
        self.feed(member, outputs);
        self.announce_reign(outputs);
        if !self.is_established() {
            return Next::Stay;
        }
        member.deliver(outputs);
        if self.ping_wanted {
            self.ping(member, outputs);
        }
        self.let_serve(member, outputs);
        self.announce_commits(member, outputs);
        if self.next_zxid(member).is_none() && member.history.uncommitted() == 0 {
            // The counter is used up and nothing is under way: a new epoch has new numbers.
            return self.turn_over(member, outputs);
        }
        self.dismiss_former_members(member, outputs)
    }

    /// A follower has more of what it was sent.
    pub(super) fn on_ack(&mut self, member: &Member, from: ServerId, zxid: Zxid) {
        let Some(learner) = self.learners.get_mut(&from) else {
            return;
        };
        if learner.in_stream() && learner.acked < zxid && zxid <= learner.sent {
            learner.ack(zxid);
            if self.stage != Stage::Established {
                // Synchronization takes as long as it takes, while it moves.
                self.began_at = member.now;
            }
        }
    }

    pub(super) fn on_pong(&mut self, from: ServerId, number: u64) {
        if let Some(learner) = self.learners.get_mut(&from) {
            learner.round = learner.round.max(number.min(self.round));
        }
    }

    /// Asks for a ping at the next flush; once its number is confirmed, this server was still the
    /// leader at some moment after this call.
    pub(crate) fn request_confirmation(&mut self) -> u64 {
        self.ping_wanted = true;
        self.round + 1
    }

    /// The newest ping that a quorum has answered.
    pub(crate) fn confirmed_round(&self, member: &Member) -> u64 {
        if member.config.has_bug(Bug::ConfirmsWithoutQuorum) {
            return self.round;
        }
        let answered = self
            .counted()
            .map(|(server, learner)| (server, learner.round));
        let answered = answered.chain([(member.config.me, self.round)]);
        reached(member.ensemble(), answered).unwrap_or(0)
    }

    fn commit(&mut self, member: &mut Member) {
        let acked = self
            .counted()
            .map(|(server, learner)| (server, learner.acked));
        let own = (member.config.me, Self::own_ack(member).value());
        let logs = acked.chain([own]);
        let committed = if member.config.commits_below_quorum() {
            logs.map(|(_, zxid)| zxid).max()
        } else {
            reached(member.ensemble(), logs)
        };
        if let Some(zxid) = committed {
            member.history.commit(zxid);
        }
    }

    /// Followers whose acks count, as far as they are voters.
    fn counted(&self) -> impl Iterator<Item = (ServerId, &LearnerProgress)> + Clone {
        let counted = self.learners.iter().filter(|(_, it)| it.is_synchronized());
        counted.map(|(server, learner)| (*server, learner))
    }

    /// A change of the ensemble is behind us, and everybody has been told so: whoever is no member
    /// any more goes.
    fn dismiss_former_members(&mut self, member: &Member, outputs: &mut Vec<Output>) -> Next {
        let ensemble = member.ensemble();
        if self.dismissed == ensemble.version || !member.membership.is_settled() {
            return Next::Stay;
        }
        self.dismissed = ensemble.version;
        let former = self.learners.keys().filter(|it| !ensemble.contains(**it));
        for server in former.copied().collect::<Vec<_>>() {
            self.forget(server, outputs);
        }
        if ensemble.may_lead(member.config.me) {
            Next::Stay
        } else {
            Next::Look
        }
    }
}
