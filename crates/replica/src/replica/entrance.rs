//! How a client comes in and leaves: its session is opened or attached by a transaction, held
//! here while it lasts, and given up when it moves, ends, or loses its connection.

use std::collections::BTreeSet;

use zareba_model::{Attachment, ErrorCode, EventKind, Fault, Principal, Relay, SessionId, Zxid};
use zareba_wire::{Hello, ServerMessage, Welcome};
use zareba_zab::Role;

use super::{Deferred, Replica};
use crate::bug::Bug;
use crate::entering::{Entrant, Wish};
use crate::held::Held;
use crate::input::ConnectionId;
use crate::output::Output;
use crate::plugin::PluginRuntime;
use crate::watch;

impl<P: PluginRuntime> Replica<P> {
    pub(super) fn on_hello(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        random: [u8; 16],
        principals: Vec<Principal>,
        outputs: &mut Vec<Output>,
    ) {
        if self.held.session_of(connection).is_some() || self.entering.has(connection) {
            let fault = Fault::new(ErrorCode::BadArguments, "hello is said once");
            return Self::goodbye(connection, fault, outputs);
        }
        let wish = Wish::new(hello, random);
        let nonce = self.entering.insert(Entrant {
            connection,
            principals,
            wish,
            promised: None,
        });
        self.ask_to_enter(nonce, outputs);
    }

    /// Asks the leader to let a client in; without a leader the client waits.
    pub(super) fn ask_to_enter(&mut self, nonce: u64, outputs: &mut Vec<Output>) {
        let Some(entrant) = self.entering.get_mut(nonce) else {
            return;
        };
        let relay = match &entrant.wish {
            Wish::Open {
                password,
                timeout_ms,
            } => Relay::Open {
                nonce,
                password: *password,
                timeout_ms: *timeout_ms,
            },
            Wish::Attach {
                session, password, ..
            } => Relay::Attach {
                nonce,
                session: *session,
                password: *password,
            },
        };
        self.tell_leader(relay, outputs);
    }

    pub(super) fn on_opening(&mut self, nonce: u64, session: SessionId) {
        if let Some(entrant) = self.entering.get_mut(nonce) {
            entrant.promised = Some((session, Attachment(1)));
        }
    }

    pub(super) fn on_attaching(
        &mut self,
        nonce: u64,
        result: Result<Attachment, Fault>,
        after: Zxid,
        outputs: &mut Vec<Output>,
    ) {
        let Some(entrant) = self.entering.get_mut(nonce) else {
            return;
        };
        match (result, &entrant.wish) {
            (Ok(attachment), Wish::Attach { session, .. }) => {
                entrant.promised = Some((*session, attachment));
            }
            (Ok(_), Wish::Open { .. }) => {}
            (Err(fault), _) => self.defer(after, Deferred::NotAdmitted(nonce, fault), outputs),
        }
    }

    /// The transaction that lets a client in is applied: its session is held here from now on.
    pub(super) fn welcome(
        &mut self,
        session: SessionId,
        attachment: Attachment,
        outputs: &mut Vec<Output>,
    ) {
        self.leave_session(session, ErrorCode::SessionMoved, outputs);
        let Some(entrant) = self.entering.take_promised(session, attachment) else {
            return;
        };
        let Some(record) = self.world.tree.session(session) else {
            return;
        };
        let connection = entrant.connection;
        let welcome = Welcome {
            version: zareba_wire::client::VERSION,
            session,
            password: record.password,
            timeout_ms: record.timeout_ms,
            server: self.me,
            zxid: self.world.tree.applied(),
        };
        outputs.push(Output::Send {
            connection,
            message: ServerMessage::Welcome(welcome),
        });
        self.held.insert(Held::new(
            session,
            attachment,
            connection,
            entrant.principals,
        ));
        if let Some(message) = self.members_message() {
            outputs.push(Output::Send {
                connection,
                message,
            });
        }
        let Wish::Attach {
            watches, last_zxid, ..
        } = entrant.wish
        else {
            return;
        };
        // A node's end is told once, whatever the client waits for there, as it is when it happens.
        let mut ended = BTreeSet::new();
        for spec in watches {
            let stat = self.world.tree.stat(&spec.path);
            match watch::missed(&spec, stat, last_zxid) {
                Some(EventKind::Deleted) if !ended.insert(spec.path.clone()) => {}
                Some(kind) => {
                    let zxid = self.world.tree.applied();
                    let event = zareba_model::Event {
                        path: spec.path,
                        kind,
                        zxid,
                    };
                    outputs.push(Output::Send {
                        connection,
                        message: ServerMessage::Event(event),
                    });
                }
                None => self.watches.add(session, spec.path, spec.kind),
            }
        }
    }

    /// The session is held here no more; its connection, if there is one, is told why.
    pub(super) fn leave_session(
        &mut self,
        session: SessionId,
        code: ErrorCode,
        outputs: &mut Vec<Output>,
    ) {
        if !self.config.has_bug(Bug::WatchesOutliveSession) {
            self.watches.remove_session(session);
        }
        self.touched.remove(&session);
        let Some(held) = self.held.remove(session) else {
            return;
        };
        let why = match code {
            ErrorCode::SessionMoved => format!("session {session} goes on over a newer connection"),
            _ => format!("session {session} is over"),
        };
        Self::goodbye(held.connection, Fault::new(code, why), outputs);
    }

    pub(super) fn on_disconnected(&mut self, connection: ConnectionId) {
        self.entering.remove_connection(connection);
        self.forget_newcomer(connection);
        if let Some(session) = self.held.session_of(connection) {
            self.held.remove(session);
            self.watches.remove_session(session);
        }
    }

    pub(super) fn on_ping(&mut self, connection: ConnectionId, outputs: &mut Vec<Output>) {
        let Some(session) = self.held.session_of(connection) else {
            return;
        };
        self.touched.insert(session);
        let message = ServerMessage::Pong {
            zxid: self.world.tree.applied(),
        };
        outputs.push(Output::Send {
            connection,
            message,
        });
    }

    /// Tells the leader which sessions were heard of.
    pub(super) fn send_touches(&mut self, outputs: &mut Vec<Output>) {
        if self.now.monotonic < self.touch_due || self.touched.is_empty() {
            return;
        }
        if self.role == Role::Looking {
            return;
        }
        self.touch_due = self.now.monotonic.after_ms(self.config.touch_ms);
        let touched = std::mem::take(&mut self.touched).into_iter().collect();
        self.tell_leader(Relay::Touch(touched), outputs);
    }
}
