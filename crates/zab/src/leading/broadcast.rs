//! Leading, broadcast: proposes, counts acks, commits in order, and keeps the followers' company.
//! Knows nothing of how a follower was brought level.

use bytes::Bytes;
use zareba_model::{Entry, ServerId, Zxid};

use super::synchronization::proposals;
use super::{Leading, NotLeading};
use crate::config::Bug;
use crate::learner_progress::{LearnerProgress, Step};
use crate::member::{Member, Next, send_all};
use crate::message::Message;
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
        if !self.is_established() {
            return Next::Stay;
        }
        self.commit(member);
        if !self.batch.is_empty() {
            self.broadcast(member, outputs);
        }
        member.deliver(outputs);
        if self.ping_wanted {
            self.ping(member, outputs);
        }
        let committed = member.history.committed();
        if self.announced < committed {
            self.announced = committed;
            let message = Message::Commit {
                epoch: self.epoch,
                zxid: committed,
            };
            send_all(self.stream(), message, outputs);
        }
        if self.next_zxid(member).is_none() && member.history.uncommitted() == 0 {
            // The counter is used up and nothing is under way: a new epoch has new numbers.
            return Next::Look;
        }
        self.dismiss_former_members(member, outputs)
    }

    pub(super) fn on_ack(&mut self, member: &Member, from: ServerId, zxid: Zxid) {
        if let Some(learner) = self.learners.get_mut(&from)
            && learner.step >= Step::Synchronized
            && zxid <= member.history.last()
        {
            learner.acked = learner.acked.max(zxid);
        }
    }

    pub(super) fn on_pong(&mut self, from: ServerId, number: u64) {
        if let Some(learner) = self.learners.get_mut(&from) {
            learner.round = learner.round.max(number.min(self.round));
        }
    }

    /// Pings everybody that has been told the epoch.
    pub(super) fn ping(&mut self, member: &Member, outputs: &mut Vec<Output>) {
        self.pinged_at = member.now;
        self.ping_wanted = false;
        self.round += 1;
        let committed = member.history.committed();
        let message = Message::Ping {
            epoch: self.epoch,
            number: self.round,
            committed,
        };
        let told = self.servers(|learner| learner.step >= Step::Promising);
        send_all(told, message, outputs);
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

    /// One append and one proposal for all, within the limits of a message.
    fn broadcast(&mut self, member: &mut Member, outputs: &mut Vec<Output>) {
        let entries = std::mem::take(&mut self.batch);
        let after = member.history.last();
        let committed = member.history.committed();
        member.append(entries.clone(), outputs);
        for message in proposals(&member.config, self.epoch, after, entries, committed) {
            send_all(self.stream(), message, outputs);
        }
        self.announced = committed;
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

    fn stream(&self) -> Vec<ServerId> {
        self.servers(LearnerProgress::in_stream)
    }

    fn servers(&self, fits: impl Fn(&LearnerProgress) -> bool) -> Vec<ServerId> {
        let fitting = self.learners.iter().filter(|(_, learner)| fits(learner));
        fitting.map(|(server, _)| *server).collect()
    }
}
