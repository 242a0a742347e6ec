//! What every server does with a committed transaction: apply it, tell the watchers, answer.

use zareba_model::{Acl, Cause, ErrorCode, Event, Permissions, Principal, Txn, Zxid};
use zareba_tree::{Changes, NodeChange};
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
        let was_whole = self.world.tree.is_consistent();
        let mut changes = self.world.tree.apply(zxid, &txn);
        if let Some(diverged) = &changes.diverged {
            panic!(
                "this replica has diverged: at {} its digest is {:#018x}, the leader's was {:#018x}",
                diverged.zxid, diverged.found, diverged.expected
            );
        }
        self.world.prune(zxid);
        self.note_commits(zxid);
        self.checkpoint.count(entry.payload.len());
        // Events leave before anything that the same transaction answers.
        if self.config.has_bug(Bug::AnswersBeforeEvents) {
            let events = std::mem::take(&mut changes.events);
            self.answer(txn, &changes, outputs);
            self.fire(zxid, &events, outputs);
            self.history.push(zxid, events, was_whole);
        } else {
            self.fire(zxid, &changes.events, outputs);
            // And are remembered before: a watch that waits in line behind it begins here.
            let mut events = std::mem::take(&mut changes.events);
            if !self.config.has_bug(Bug::RemembersBehindAnswers) {
                self.history
                    .push(zxid, std::mem::take(&mut events), was_whole);
            }
            self.answer(txn, &changes, outputs);
            if self.config.has_bug(Bug::RemembersBehindAnswers) {
                self.history.push(zxid, events, was_whole);
            }
        }
        self.follow_sessions(&changes, outputs);
        self.warn_of_quotas(&changes, outputs);
        if changes.ensemble_changed {
            self.follow_ensemble(outputs);
        }
        if !changes.components_completed.is_empty() || !changes.components_removed.is_empty() {
            self.compile_new(outputs);
        }
        if changes.mounts_changed {
            self.forget_unmounted();
        }
        self.tell_deferred(outputs);
        if self.world.tree.is_consistent()
            && let Some(role) = self.role_to_come.take()
        {
            self.on_role(role, outputs);
        }
    }

    fn fire(&mut self, zxid: Zxid, changes: &[NodeChange], outputs: &mut Vec<Output>) {
        if self.watches.count() == 0 {
            return;
        }
        for NodeChange { path, kind, acl } in changes {
            let event = Event {
                path: path.clone(),
                kind: *kind,
                zxid,
            };
            let held = &self.held;
            let told = self.watches.fire(&event, |session| {
                let held = held.get(session);
                held.is_some_and(|held| may_read(acl, &held.principals))
            });
            for session in told {
                if let Some(held) = self.held.get(session) {
                    outputs.push(Output::Send {
                        connection: held.connection,
                        message: ServerMessage::Event(event.clone()),
                    });
                }
            }
        }
    }

    /// One server warns, and its operator hears it once.
    fn warn_of_quotas(&self, changes: &Changes, outputs: &mut Vec<Output>) {
        if self.leading.is_none() {
            return;
        }
        for path in &changes.quotas_passed {
            if let Some((quota, usage)) = self.world.tree.quota(path.as_str()) {
                let path = path.clone();
                outputs.push(Output::QuotaPassed { path, quota, usage });
            }
        }
    }

    fn answer(&mut self, txn: Txn, changes: &Changes, outputs: &mut Vec<Output>) {
        for (call, answer) in &changes.calls_ended {
            let Some(held) = self.held.get_mut(call.session) else {
                continue;
            };
            if let Some(audited) = held.parked.remove(&call.xid) {
                self.reply(call.session, call.xid, answer.clone(), audited, outputs);
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

/// True if these identities may be told of a node with that list.
pub(super) fn may_read(acl: &Acl, principals: &[Principal]) -> bool {
    zareba_tree::acl::check(acl, principals, Permissions::READ).is_ok()
}
