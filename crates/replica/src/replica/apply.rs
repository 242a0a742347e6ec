//! What every server does with a committed transaction: apply it, tell the watchers, answer.

use zareba_model::{Cause, ErrorCode, EventKind, Txn, ZnodePath, Zxid};
use zareba_tree::Changes;
use zareba_wire::{ServerMessage, decode_txn};

use super::Replica;
use crate::bug::Bug;
use crate::output::Output;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Replica<P> {
    pub(super) fn deliver(&mut self, entry: &zareba_model::Entry, outputs: &mut Vec<Output>) {
        let zxid = entry.zxid;
        let own = self
            .leading
            .as_mut()
            .and_then(|leading| leading.take_own(zxid));
        let txn = own.unwrap_or_else(|| match decode_txn(&entry.payload) {
            Ok(txn) => txn,
            Err(error) => panic!("committed transaction {zxid} must be decodable: {error}"),
        });
        let changes = self.world.tree.apply(zxid, &txn);
        if let Some(diverged) = &changes.diverged {
            panic!(
                "this replica has diverged: at {} its digest is {:#018x}, the leader's was {:#018x}",
                diverged.zxid, diverged.found, diverged.expected
            );
        }
        self.world.prune(zxid);
        self.checkpoint.count(entry.payload.len());
        // Events leave before anything that the same transaction answers.
        if self.config.has_bug(Bug::AnswersBeforeEvents) {
            self.answer(txn, &changes, outputs);
            self.fire(zxid, &changes.events, outputs);
        } else {
            self.fire(zxid, &changes.events, outputs);
            self.answer(txn, &changes, outputs);
        }
        self.follow_sessions(&changes, outputs);
        if changes.ensemble_changed {
            self.follow_ensemble(outputs);
        }
        if !changes.components_completed.is_empty() {
            self.compile_new(outputs);
        }
        self.tell_deferred(outputs);
        if self.world.tree.is_consistent()
            && let Some(role) = self.role_to_come.take()
        {
            self.on_role(role, outputs);
        }
    }

    fn fire(&mut self, zxid: Zxid, events: &[(ZnodePath, EventKind)], outputs: &mut Vec<Output>) {
        for (path, kind) in events {
            for (session, event) in self.watches.fire(path, *kind, zxid) {
                if let Some(held) = self.held.get_mut(session) {
                    let connection = held.connection;
                    outputs.push(Output::Send {
                        connection,
                        message: ServerMessage::Event(event),
                    });
                }
            }
        }
    }

    fn answer(&mut self, txn: Txn, changes: &Changes, outputs: &mut Vec<Output>) {
        for (call, answer) in &changes.calls_ended {
            let Some(held) = self.held.get_mut(call.session) else {
                continue;
            };
            let connection = held.connection;
            if held.parked.remove(&call.xid) {
                self.reply(connection, call.xid, answer.clone(), outputs);
            } else {
                held.settle(call.xid, answer.clone());
                self.pump(call.session, outputs);
            }
        }
        if let Cause::Request {
            session,
            xid,
            answer,
            ..
        } = txn.cause
        {
            let Some(held) = self.held.get_mut(session) else {
                return;
            };
            match answer {
                Some(answer) => held.settle(xid, answer),
                None => held.park(xid),
            }
            self.pump(session, outputs);
        }
    }

    fn follow_sessions(&mut self, changes: &Changes, outputs: &mut Vec<Output>) {
        for session in &changes.sessions_opened {
            let Some(record) = self.world.tree.session(*session) else {
                continue;
            };
            let (server, timeout_ms) = (record.server, record.timeout_ms);
            let attachment = record.attachment;
            if let Some(leading) = &mut self.leading {
                leading
                    .expiry
                    .start(*session, timeout_ms, self.now.monotonic);
            }
            if server == self.me {
                self.welcome(*session, attachment, outputs);
            }
        }
        for (session, attachment, server) in &changes.sessions_attached {
            if let Some(leading) = &mut self.leading {
                leading.expiry.touch(*session, self.now.monotonic);
            }
            if *server == self.me {
                self.welcome(*session, *attachment, outputs);
            } else {
                self.leave_session(*session, ErrorCode::SessionMoved, outputs);
            }
        }
        for session in &changes.sessions_closed {
            if let Some(leading) = &mut self.leading {
                leading.expiry.stop(*session);
            }
            self.leave_session(*session, ErrorCode::SessionExpired, outputs);
        }
    }
}
