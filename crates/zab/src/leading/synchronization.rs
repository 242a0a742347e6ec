//! Leading, synchronization: brings each follower level with the leader's history, from memory or by
//! a snapshot, and establishes the reign. Knows no open batch.

use zareba_model::{Entry, Epoch, ServerId, Zxid};

use super::{Leading, Stage};
use crate::config::Bug;
use crate::config::Config;
use crate::history::History;
use crate::learner_progress::Step;
use crate::member::{Member, Next, send};
use crate::message::Message;
use crate::output::{Output, Token};

/// How a follower is brought level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    /// Its log is a prefix; what is behind its end follows.
    Diff,
    /// Its log parts from ours behind this entry.
    Trunc(Zxid),
    /// Its log ends before anything we have in memory.
    Snap,
}

/// An id names one transaction and one history before it, so a log that ends with an id of ours is a
/// prefix of ours. Otherwise it ends with entries of some epoch `e` that were never committed, while
/// our history goes through all that was ever established, hence through the beginning of `e`: the
/// largest id of ours below its end is in its log too, and is where the two part.
///
/// All that a follower has delivered is committed, hence in our history and not above its log's end.
/// So TRUNC cuts behind it; and SNAP is chosen only where our window, hence our delivered point, lies
/// above the end of its log, so that the snapshot contains all it ever acked.
fn choose_sync(history: &History, follower_last: Zxid) -> Sync {
    match history.floor(follower_last) {
        Some(floor) if floor == follower_last => Sync::Diff,
        Some(floor) => Sync::Trunc(floor),
        None => Sync::Snap,
    }
}

impl Leading {
    /// Sends the leader's whole history as of now, and puts the follower in the proposals' stream.
    pub(super) fn synchronize(&mut self, member: &Member, to: ServerId, outputs: &mut Vec<Output>) {
        let Some(learner) = self.learners.get_mut(&to) else {
            return;
        };
        assert_eq!(
            learner.step,
            Step::Promised,
            "synchronized before its promise"
        );
        learner.step = Step::Synchronizing;
        let (join, epoch, history) = (learner.join, self.epoch, &member.history);
        let sent = match choose_sync(history, learner.last_zxid) {
            Sync::Diff => {
                send(to, Message::Diff { join, epoch }, outputs);
                learner.last_zxid
            }
            Sync::Trunc(after) => {
                send(to, Message::Trunc { join, epoch, after }, outputs);
                after
            }
            Sync::Snap => {
                learner.in_snapshot = true;
                let base = history.delivered();
                send(to, Message::Snap { join, epoch, base }, outputs);
                outputs.push(Output::SendSnapshot { to, base });
                base
            }
        };
        let entries: Vec<Entry> = history.behind(sent).cloned().collect();
        for message in proposals(&member.config, epoch, sent, entries, history.committed()) {
            send(to, message, outputs);
        }
        let last_zxid = history.last();
        let message = Message::NewLeader {
            join,
            epoch,
            last_zxid,
        };
        send(to, message, outputs);
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
        if learner.step != Step::Synchronizing || last_zxid > member.history.last() {
            return Next::Stay;
        }
        learner.step = Step::Synchronized;
        learner.in_snapshot = false;
        learner.acked = last_zxid;
        if self.is_established() {
            self.send_up_to_date(member, from, outputs);
            return Next::Stay;
        }
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
        self.announced = member.history.committed();
        member.deliver(outputs);
        let servers: Vec<ServerId> = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.step == Step::Synchronized)
            .map(|(server, _)| *server)
            .collect();
        for server in servers {
            self.send_up_to_date(member, server, outputs);
        }
        Next::Stay
    }

    fn send_up_to_date(&mut self, member: &Member, to: ServerId, outputs: &mut Vec<Output>) {
        let Some(learner) = self.learners.get_mut(&to) else {
            return;
        };
        learner.step = Step::Serving;
        // Whatever was wrong with its log, it has an established reign's history now.
        learner.counts = true;
        let message = Message::UpToDate {
            join: learner.join,
            epoch: self.epoch,
            committed: member.history.committed(),
        };
        send(to, message, outputs);
    }
}

/// Entries as messages within their limits. No message names a commit point beyond its own end,
/// which the follower could not know yet.
pub(super) fn proposals(
    config: &Config,
    epoch: Epoch,
    mut after: Zxid,
    entries: Vec<Entry>,
    committed: Zxid,
) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut chunk: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    let mut close = |chunk: &mut Vec<Entry>| {
        if let Some(last) = chunk.last().map(|entry| entry.zxid) {
            messages.push(Message::Propose {
                epoch,
                after,
                entries: std::mem::take(chunk),
                committed: committed.min(last),
            });
            after = last;
        }
    };
    for entry in entries {
        let full = chunk.len() >= config.batch_entries_max
            || bytes + entry.payload.len() > config.batch_bytes_max;
        if full {
            close(&mut chunk);
            bytes = 0;
        }
        bytes += entry.payload.len();
        chunk.push(entry);
    }
    close(&mut chunk);
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(epoch: u32, counter: u32) -> Entry {
        Entry {
            zxid: Zxid::new(epoch, counter),
            payload: bytes::Bytes::from_static(b"1234"),
        }
    }

    #[test]
    fn the_way_to_bring_a_follower_level_depends_on_the_end_of_its_log() {
        let tail = vec![entry(1, 4), entry(1, 5), entry(3, 1)];
        let history = History::new(Zxid::new(1, 3), tail, Zxid::new(1, 4));
        assert_eq!(choose_sync(&history, Zxid::new(3, 1)), Sync::Diff);
        assert_eq!(choose_sync(&history, Zxid::new(1, 3)), Sync::Diff);
        assert_eq!(choose_sync(&history, Zxid::new(1, 2)), Sync::Snap);
        assert_eq!(
            choose_sync(&history, Zxid::new(2, 1)),
            Sync::Trunc(Zxid::new(1, 5))
        );
        assert_eq!(
            choose_sync(&history, Zxid::new(3, 7)),
            Sync::Trunc(Zxid::new(3, 1))
        );
    }

    #[test]
    fn proposals_keep_their_limits_their_order_and_a_commit_point_within() {
        let mut config = Config::new(ServerId(1), [ServerId(1)]);
        config.batch_bytes_max = 8;
        let entries: Vec<Entry> = (1..=5).map(|counter| entry(1, counter)).collect();
        let messages = proposals(&config, Epoch(1), Zxid::ZERO, entries, Zxid::new(1, 3));
        let ends: Vec<(Zxid, usize, Zxid)> = messages
            .into_iter()
            .map(|message| match message {
                Message::Propose {
                    after,
                    entries,
                    committed,
                    ..
                } => (after, entries.len(), committed),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            ends,
            [
                (Zxid::ZERO, 2, Zxid::new(1, 2)),
                (Zxid::new(1, 2), 2, Zxid::new(1, 3)),
                (Zxid::new(1, 4), 1, Zxid::new(1, 3)),
            ]
        );
    }
}
