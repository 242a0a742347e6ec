//! Following, synchronization: makes this server's history the leader's, and says so only when it is
//! durable. Knows no election.

use std::collections::VecDeque;

use zareba_model::{Ensemble, Zxid};

use super::{Following, Stage};
use crate::config::Bug;
use crate::member::{Member, Next, send};
use crate::message::Message;
use crate::output::{Output, Token};
use crate::persistence::Epochs;

impl Following {
    /// This log is a prefix of the leader's.
    pub(super) fn on_diff(&mut self, member: &mut Member, outputs: &mut Vec<Output>) -> Next {
        self.begin_synchronization(member, outputs);
        Next::Stay
    }

    /// This log parts from the leader's behind `after`.
    pub(super) fn on_trunc(
        &mut self,
        member: &mut Member,
        after: Zxid,
        outputs: &mut Vec<Output>,
    ) -> Next {
        assert!(
            after >= member.history.committed(),
            "the leader asks to truncate to {after}, but all up to {} is committed",
            member.history.committed()
        );
        if !member.history.contains(after) {
            // No correct leader says so: its histories and this one part behind a common entry.
            return Next::Look;
        }
        if member.config.has_bug(Bug::TruncatesMemoryLate) {
            member.writes.truncate(after, outputs);
            member.undone.truncation = Some(after);
        } else {
            member.truncate(after, outputs);
        }
        self.begin_synchronization(member, outputs);
        Next::Stay
    }

    /// The leader's window lies above the end of this log.
    pub(super) fn on_snap(
        &mut self,
        member: &mut Member,
        base: Zxid,
        outputs: &mut Vec<Output>,
    ) -> Next {
        assert!(
            base >= member.history.committed(),
            "a snapshot of {base} would drop committed entries up to {}",
            member.history.committed()
        );
        if base < member.history.last() {
            // No correct leader says so: it would take from this server what it may have acked. A
            // server whose snapshot was installed and whose log stops short of the snapshot's end
            // may vote because of this.
            return Next::Look;
        }
        self.begin_synchronization(member, outputs);
        self.stage = Stage::Receiving {
            base,
            kept: VecDeque::new(),
        };
        outputs.push(Output::ReceiveSnapshot {
            from: self.leader,
            base,
        });
        Next::Stay
    }

    /// The snapshot is in place of the log.
    pub(crate) fn on_snapshot_installed(
        &mut self,
        member: &mut Member,
        (installed, ensemble): (Zxid, Option<Ensemble>),
        outputs: &mut Vec<Output>,
    ) -> Next {
        let stage = std::mem::replace(&mut self.stage, Stage::Synchronizing);
        let Stage::Receiving { base, kept, .. } = stage else {
            panic!("a snapshot was installed that nobody waits for");
        };
        assert_eq!(
            base, installed,
            "another snapshot was installed than asked for"
        );
        member.install(base, ensemble, outputs);
        self.acked = base;
        self.began_at = member.now;
        for message in kept {
            let next = self.on_stream(member, message, outputs);
            if next != Next::Stay {
                return next;
            }
        }
        Next::Stay
    }

    /// The leader's whole history has been sent: first it, then the epoch becomes durable.
    pub(super) fn on_new_leader(
        &mut self,
        member: &mut Member,
        last_zxid: Zxid,
        outputs: &mut Vec<Output>,
    ) -> Next {
        member.truncate_memory();
        if member.history.last() != last_zxid {
            return Next::Look;
        }
        if member.config.has_bug(Bug::SyncedDeliveredAtNewLeader) {
            member.history.commit(last_zxid);
        }
        let mut token = self.adopt_epoch(member, outputs);
        if member.config.acks_history_early() {
            token = Token::default();
        }
        self.stage = Stage::Adopting { token, last_zxid };
        self.acknowledge_history(member, token, last_zxid, outputs);
        Next::Stay
    }

    /// Answers once history and epoch are durable.
    pub(super) fn acknowledge_history(
        &mut self,
        member: &Member,
        token: Token,
        last_zxid: Zxid,
        outputs: &mut Vec<Output>,
    ) {
        let Some(held) = member.writes.once(token, last_zxid) else {
            return;
        };
        self.stage = Stage::Adopted;
        self.acked = self.acked.max(held.value());
        let message = Message::AckNewLeader {
            join: self.join,
            epoch: self.epoch,
            last_zxid: held.value(),
        };
        send(self.leader, message, outputs);
    }

    /// The reign is established: what is committed is delivered, and this server serves.
    pub(super) fn on_up_to_date(
        &mut self,
        member: &mut Member,
        committed: Zxid,
        outputs: &mut Vec<Output>,
    ) -> Next {
        self.stage = Stage::Broadcasting;
        member.do_undone(outputs);
        if member.config.has_bug(Bug::CurrentEpochAtUpToDate) {
            self.write_current_epoch(member, outputs);
        }
        // Whatever was wrong with this log, it has an established history now.
        member.may_vote = true;
        let next = self.on_commit(member, committed);
        member.deliver(outputs);
        next
    }

    fn begin_synchronization(&mut self, member: &mut Member, outputs: &mut Vec<Output>) {
        self.stage = Stage::Synchronizing;
        self.acked = member.writes.log().value();
        if member.config.writes_epoch_first() {
            self.adopt_epoch(member, outputs);
        }
    }

    /// Writes the epoch, behind all of the history that was written before.
    fn adopt_epoch(&self, member: &mut Member, outputs: &mut Vec<Output>) -> Token {
        if member.config.has_bug(Bug::CurrentEpochAtUpToDate) {
            return member.writes.barrier();
        }
        self.write_current_epoch(member, outputs)
    }

    fn write_current_epoch(&self, member: &mut Member, outputs: &mut Vec<Output>) -> Token {
        let epochs = Epochs {
            accepted: self.epoch,
            current: self.epoch,
        };
        if member.epochs == epochs {
            return member.writes.barrier();
        }
        member.write_epochs(epochs, outputs)
    }
}
