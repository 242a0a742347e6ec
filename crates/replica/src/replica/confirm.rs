//! Syncs and linearizable reads: the asking server's question, and the leader's answer once a quorum
//! has confirmed that it still leads.

use std::collections::VecDeque;

use zareba_model::{Relay, ServerId, Zxid};
use zareba_zab::Role;

use super::{Deferred, Replica};
use crate::output::Output;
use crate::plugin::PluginRuntime;

/// Questions that a leader has not answered yet, in order.
#[derive(Debug, Default)]
pub(super) struct Questions(VecDeque<Question>);

#[derive(Debug)]
struct Question {
    from: ServerId,
    nonce: u64,
    /// What was committed when it came: nobody can have been told of anything behind it.
    committed: Zxid,
    /// It is answered once this round is confirmed.
    round: u64,
}

impl<P: PluginRuntime> Replica<P> {
    /// Sends this batch's question, if there is one.
    pub(super) fn ask_for_confirmation(&mut self, outputs: &mut Vec<Output>) {
        if self.role == Role::Looking {
            return;
        }
        if let Some(nonce) = self.confirming.ask() {
            self.tell_leader(Relay::Confirm { nonce }, outputs);
        }
    }

    /// A server asks this leader, who asks a quorum once for all questions of a batch.
    pub(super) fn lead_confirm(&mut self, from: ServerId, nonce: u64) {
        let Some(leading) = &mut self.leading else {
            return;
        };
        // A server that leads no more answers nothing: the question goes to its successor.
        let Ok(round) = self.zab.request_confirmation() else {
            return;
        };
        let committed = self.zab.committed();
        leading.questions.0.push_back(Question {
            from,
            nonce,
            committed,
            round,
        });
    }

    /// Answers the questions that a quorum has confirmed.
    pub(super) fn answer_questions(&mut self, outputs: &mut Vec<Output>) {
        let confirmed = self.zab.confirmed_round();
        loop {
            let questions = self
                .leading
                .as_mut()
                .map(|leading| &mut leading.questions.0);
            let ready = |question: &mut Question| question.round <= confirmed;
            let Some(question) = questions.and_then(|all| all.pop_front_if(ready)) else {
                return;
            };
            let relay = Relay::Confirmed {
                nonce: question.nonce,
                zxid: question.committed,
            };
            self.answer_server(question.from, relay, outputs);
        }
    }

    /// The leader led when it was asked: what was committed then is what reads must show.
    pub(super) fn on_confirmed(&mut self, nonce: u64, zxid: Zxid, outputs: &mut Vec<Output>) {
        self.defer(zxid, Deferred::Confirmed(nonce), outputs);
    }

    /// This server has applied what the leader named.
    pub(super) fn settle_confirmed(&mut self, question: u64, outputs: &mut Vec<Output>) {
        for session in self.confirming.answered(question) {
            if let Some(held) = self.held.get_mut(session) {
                held.confirm(question);
                self.pump(session, outputs);
            }
        }
    }
}
