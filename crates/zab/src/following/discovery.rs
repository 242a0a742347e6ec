//! Following, discovery: knocks and promises an epoch. Knows no proposal.

use zareba_model::Epoch;

use super::{Following, Stage};
use crate::member::{Member, Next, send};
use crate::message::Message;
use crate::output::{Output, Token};
use crate::persistence::Epochs;

impl Following {
    /// Begins a new attempt with the same leader.
    pub(super) fn knock(&mut self, member: &mut Member, outputs: &mut Vec<Output>) {
        self.join = member.next_join();
        self.epoch = Epoch(0);
        member.undone.truncation = None;
        self.stage = Stage::Knocking { sent: true };
        (self.began_at, self.heard_at) = (member.now, member.awake);
        let message = Message::FollowerInfo {
            join: self.join,
            accepted_epoch: member.epochs.accepted,
            last_zxid: member.history.last(),
            may_vote: member.may_vote,
        };
        send(self.leader, message, outputs);
    }

    /// The leader names its epoch.
    pub(super) fn on_new_epoch(
        &mut self,
        member: &mut Member,
        epoch: Epoch,
        outputs: &mut Vec<Output>,
    ) -> Next {
        if epoch < member.epochs.accepted {
            return Next::Look;
        }
        self.epoch = epoch;
        let token = if epoch > member.epochs.accepted {
            let epochs = Epochs {
                accepted: epoch,
                current: member.epochs.current,
            };
            member.write_epochs(epochs, outputs)
        } else {
            // Promised before; the leader does not count it again.
            member.writes.barrier()
        };
        self.stage = Stage::Promising(token);
        self.acknowledge_epoch(member, token, outputs);
        Next::Stay
    }

    /// Answers once the promise, and all that was written before, is durable.
    pub(super) fn acknowledge_epoch(
        &mut self,
        member: &Member,
        token: Token,
        outputs: &mut Vec<Output>,
    ) {
        let Some(epoch) = member.writes.once(token, self.epoch) else {
            return;
        };
        self.stage = Stage::Promised;
        let message = Message::AckEpoch {
            join: self.join,
            epoch: epoch.value(),
            current_epoch: member.epochs.current,
            last_zxid: member.history.last(),
        };
        send(self.leader, message, outputs);
    }
}
