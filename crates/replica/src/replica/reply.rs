//! What a client is told, and when: in its session's order, and nothing before the transaction it
//! may rest on is applied here.

use zareba_model::{Answer, Refused, SessionId, Xid, Zxid};
use zareba_wire::ServerMessage;

use super::{Deferred, Replica};
use crate::audit::Audited;
use crate::held::{State, Waiting};
use crate::output::{AuditRecord, Output};
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Replica<P> {
    /// Answers from the front of a session's line as far as it goes.
    pub(super) fn pump(&mut self, session: SessionId, outputs: &mut Vec<Output>) {
        let serving = self.is_serving();
        let alone = self.can_read_alone();
        loop {
            let Some(held) = self.held.get_mut(session) else {
                return;
            };
            let serving = serving || (held.reads_alone && alone);
            match held.line.front().map(|waiting| &waiting.state) {
                None | Some(State::Forwarded(_) | State::Unconfirmed(..)) => return,
                Some(State::Read(_)) if !serving => return,
                Some(State::Read(_) | State::Settled(_)) => {}
            }
            let Some(Waiting {
                xid,
                state,
                audited,
            }) = held.line.pop_front()
            else {
                return;
            };
            let answer = match state {
                State::Settled(answer) => answer,
                State::Read(op) => self.read(session, op),
                State::Forwarded(_) | State::Unconfirmed(..) => return,
            };
            self.reply(session, xid, answer, audited, outputs);
        }
    }

    pub(super) fn reply(
        &self,
        session: SessionId,
        xid: Xid,
        answer: Answer,
        audited: Option<Audited>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(held) = self.held.get(session) else {
            return;
        };
        let zxid = self.world.tree.applied();
        if let Some(audited) = audited {
            outputs.push(Output::Audit(AuditRecord {
                session,
                principals: held.principals.clone(),
                op: audited.op,
                path: audited.path,
                refused: answer.as_ref().err().map(|fault| fault.code),
                zxid,
            }));
        }
        outputs.push(Output::Send {
            connection: held.connection,
            message: ServerMessage::Reply { xid, zxid, answer },
        });
    }

    /// The leader's word on a request that becomes no transaction holds now.
    pub(super) fn settle_refused(&mut self, refused: Refused, outputs: &mut Vec<Output>) {
        let (session, xid) = (refused.session, refused.xid);
        let Some(held) = self.held.get_mut(session) else {
            return;
        };
        match refused.fault {
            Some(fault) => held.settle(xid, Err(fault)),
            None => match self.world.tree.result(session, xid) {
                Some(answer) => held.settle(xid, answer.clone()),
                None => held.park(xid),
            },
        }
        self.pump(session, outputs);
    }

    /// Something is told once `after` is applied here, which may be now.
    pub(super) fn defer(&mut self, after: Zxid, told: Deferred, outputs: &mut Vec<Output>) {
        self.deferred.entry(after).or_default().push(told);
        self.tell_deferred(outputs);
    }

    /// Tells what no longer has to wait.
    pub(super) fn tell_deferred(&mut self, outputs: &mut Vec<Output>) {
        while let Some(entry) = self.deferred.first_entry() {
            if *entry.key() > self.world.tree.applied() {
                return;
            }
            for told in entry.remove() {
                match told {
                    Deferred::Refused(refused) => self.settle_refused(refused, outputs),
                    Deferred::Confirmed(question) => self.settle_confirmed(question, outputs),
                    Deferred::Touched(question) => self.tell_renewed(question, outputs),
                    Deferred::Joined(nonce, result) => self.welcome_server(nonce, result, outputs),
                    Deferred::NotAdmitted(nonce, fault) => {
                        if let Some(entrant) = self.entering.remove(nonce) {
                            Self::goodbye(entrant.connection, fault, outputs);
                        }
                    }
                }
            }
        }
    }
}
