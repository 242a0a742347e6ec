//! Following, broadcast: logs what is proposed, acks what is durable, delivers what is committed.
//! Knows no election.

use zareba_model::{Entry, Epoch, Zxid};

use super::{Following, Stage};
use crate::config::Bug;
use crate::member::{Member, Next, send};
use crate::message::Message;
use crate::output::Output;
use crate::persistence::Durable;

impl Following {
    /// Transactions, synced or new; they must continue the log.
    pub(super) fn on_propose(
        &mut self,
        member: &mut Member,
        after: Zxid,
        entries: Vec<Entry>,
        committed: Zxid,
        outputs: &mut Vec<Output>,
    ) -> Next {
        member.truncate_memory();
        let mut last = member.history.last();
        if after != last {
            return Next::Look;
        }
        for entry in &entries {
            if !entry.zxid.follows(last) || entry.zxid.epoch > self.epoch {
                return Next::Look;
            }
            last = entry.zxid;
        }
        if self.stage == Stage::Broadcasting {
            member.append(entries, outputs);
        } else {
            member.append_synced(entries, outputs);
        }
        if self.stage == Stage::Synchronizing {
            // It takes as long as it takes, while it moves.
            self.began_at = member.now;
        }
        self.on_commit(member, committed)
    }

    /// The leader's commit point. All it names has been sent before on the same link; a follower that
    /// serves and does not have it has lost something.
    pub(super) fn on_commit(&mut self, member: &mut Member, committed: Zxid) -> Next {
        let last = member.history.last();
        if committed > last && self.stage == Stage::Broadcasting {
            return Next::Look;
        }
        member.history.commit(committed.min(last));
        Next::Stay
    }

    /// Acks what has become durable and delivers what has been committed since the last time.
    pub(crate) fn flush(&mut self, member: &mut Member, outputs: &mut Vec<Output>) {
        if self.stage.streams() {
            let durable = member.writes.log();
            if durable.value() > self.acked {
                self.acked = durable.value();
                send(self.leader, ack(self.epoch, durable), outputs);
            }
        }
        let early = member.config.has_bug(Bug::SyncedDeliveredAtNewLeader);
        if self.stage == Stage::Broadcasting || early && self.stage == Stage::Adopted {
            member.deliver(outputs);
        }
    }

    /// Answers a ping.
    pub(super) fn send_pong(&self, number: u64, outputs: &mut Vec<Output>) {
        let message = Message::Pong {
            epoch: self.epoch,
            number,
        };
        send(self.leader, message, outputs);
    }
}

/// An ack can be made of what is durable only.
fn ack(epoch: Epoch, zxid: Durable<Zxid>) -> Message {
    Message::Ack {
        epoch,
        zxid: zxid.value(),
    }
}
