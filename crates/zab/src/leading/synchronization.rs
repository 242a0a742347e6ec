//! Leading, synchronization: finds where each follower's history parts from the leader's, and
//! establishes the reign. Knows no open batch.

use zareba_model::{ServerId, Zxid};

use super::{Leading, Stage};
use crate::config::Bug;
use crate::learner_progress::Step;
use crate::member::{Member, Next, send};
use crate::message::Message;
use crate::output::{Output, Token};

impl Leading {
    /// Puts a follower that has promised in the stream, behind the last entry that both have; first
    /// the log on disk is asked, if the one in memory does not go back so far.
    pub(super) fn synchronize(&mut self, member: &Member, to: ServerId, outputs: &mut Vec<Output>) {
        let Some(learner) = self.learners.get(&to) else {
            return;
        };
        assert_eq!(
            learner.step,
            Step::Promised,
            "synchronized before its promise"
        );
        match member.history.floor(learner.last_zxid) {
            Some(_)
                if learner.last_zxid < member.history.last()
                    && member.config.has_bug(Bug::LowerEndIsAPrefix) =>
            {
                self.begin_behind(to, learner.last_zxid, outputs);
            }
            Some(floor)
                if learner.last_zxid > member.history.last()
                    && member.config.has_bug(Bug::HigherEndIsKept) =>
            {
                let (join, epoch) = (learner.join, self.epoch);
                send(to, Message::Diff { join, epoch }, outputs);
                if let Some(learner) = self.learners.get_mut(&to) {
                    learner.enter_stream(floor);
                }
            }
            Some(floor) => self.begin_behind(to, floor, outputs),
            None => self.read_log(member, vec![to], outputs),
        }
    }

    /// An id names one transaction and one history before it, so a log that ends with an id of ours
    /// is a prefix of ours: DIFF. Otherwise it ends with entries of some epoch `e` that were never
    /// committed, while our history goes through all that was ever established, hence through the
    /// beginning of `e`: the largest id of ours below its end, `floor`, is in its log too, and is
    /// where the two part: TRUNC. It drops nothing that the follower has delivered, for all of that is
    /// committed, hence in our history and not above its log's end.
    pub(super) fn begin_behind(&mut self, to: ServerId, floor: Zxid, outputs: &mut Vec<Output>) {
        let Some(learner) = self.learners.get_mut(&to) else {
            return;
        };
        let (join, epoch, after) = (learner.join, self.epoch, floor);
        let message = if floor == learner.last_zxid {
            Message::Diff { join, epoch }
        } else {
            Message::Trunc { join, epoch, after }
        };
        learner.enter_stream(floor);
        send(to, message, outputs);
    }

    /// The follower's log ends before anything that is worth reading. What it has acked is in the
    /// snapshot, for all that is delivered here lies above the end of its log.
    pub(super) fn begin_with_snapshot(
        &mut self,
        member: &Member,
        to: ServerId,
        outputs: &mut Vec<Output>,
    ) {
        let Some(learner) = self.learners.get_mut(&to) else {
            return;
        };
        let (join, epoch, base) = (learner.join, self.epoch, member.history.delivered());
        learner.in_snapshot = true;
        learner.enter_stream(base);
        send(to, Message::Snap { join, epoch, base }, outputs);
        outputs.push(Output::SendSnapshot { to, base });
    }

    /// Followers that were sent all with which the reign began are to adopt its epoch.
    pub(super) fn announce_reign(&mut self, outputs: &mut Vec<Output>) {
        for (server, learner) in &mut self.learners {
            if learner.step == Step::Synchronizing && learner.sent >= self.founded_on {
                learner.step = Step::Adopting;
                let message = Message::NewLeader {
                    join: learner.join,
                    epoch: self.epoch,
                    last_zxid: learner.sent,
                };
                send(*server, message, outputs);
            }
        }
    }

    /// A follower has durably the history it was sent and the epoch.
    pub(super) fn on_ack_new_leader(
        &mut self,
        member: &mut Member,
        from: ServerId,
        last_zxid: Zxid,
        outputs: &mut Vec<Output>,
    ) -> Next {
        let Some(learner) = self.learners.get_mut(&from) else {
            return Next::Stay;
        };
        if learner.step != Step::Adopting || last_zxid > learner.sent {
            return Next::Stay;
        }
        learner.step = Step::Synchronized;
        learner.in_snapshot = false;
        learner.ack(last_zxid);
        self.advance(member, outputs)
    }

    /// A quorum has the history and the epoch: all of it is committed, and the reign begins.
    pub(super) fn establish(
        &mut self,
        member: &mut Member,
        token: Token,
        outputs: &mut Vec<Output>,
    ) -> Next {
        let own = member.writes.once(token, self.epoch);
        let alone = member.config.has_bug(Bug::EstablishedWithoutQuorum);
        let has_quorum = alone || self.has_quorum(member, |learner| learner.is_synchronized());
        if own.is_none() || !has_quorum {
            return Next::Stay;
        }
        self.stage = Stage::Established;
        member.history.commit(member.history.last());
        member.deliver(outputs);
        Next::Stay
    }

    /// Followers that are level may serve. One that lags is not told yet: its clients would read what
    /// has long been overwritten.
    pub(super) fn let_serve(&mut self, member: &Member, outputs: &mut Vec<Output>) {
        let committed = member.history.committed();
        for (server, learner) in &mut self.learners {
            if learner.step != Step::Synchronized {
                continue;
            }
            let lag = member.history.count(learner.acked, committed);
            if lag.is_none_or(|lag| lag > member.config.lag_entries_max) {
                continue;
            }
            learner.step = Step::Serving;
            // Whatever was wrong with its log, it has an established reign's history now.
            if !std::mem::replace(&mut learner.counts, true) {
                learner.knows_by = self.round + 1;
            }
            learner.told = committed.min(learner.sent);
            let message = Message::UpToDate {
                join: learner.join,
                epoch: self.epoch,
                committed: learner.told,
            };
            send(*server, message, outputs);
        }
    }
}
