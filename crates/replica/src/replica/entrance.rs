//! How a client comes in and leaves: its session is opened or attached by a transaction, held
//! here while it lasts, and given up when it moves, ends, or loses its connection.

use std::collections::BTreeSet;

use zareba_model::{
    Attachment, ErrorCode, Event, EventKind, Fault, Password, Principal, Relay, SessionId,
    WatchSpec, Zxid,
};
use zareba_wire::{Hello, ServerMessage, SessionKind, Welcome};
use zareba_zab::Role;

use super::apply::may_read;
use super::{Deferred, Replica};
use crate::bug::Bug;
use crate::entering::{Entrant, Wish};
use crate::held::Held;
use crate::input::ConnectionId;
use crate::output::Output;
use crate::plugin::PluginRuntime;
use crate::renewing::Renewal;
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
        let held = self.held.session_of(connection);
        // A session of this server's own becomes one of the ensemble.
        let becomes_full =
            held.is_some_and(SessionId::is_local) && matches!(hello, Hello::Open { .. });
        if (held.is_some() && !becomes_full) || self.entering.has(connection) {
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

    /// Asks the leader to let a client in; without a leader the client waits, unless it asks for
    /// nothing that takes one.
    pub(super) fn ask_to_enter(&mut self, nonce: u64, outputs: &mut Vec<Output>) {
        let (serves, can_read_alone) = (self.is_serving(), self.can_read_alone());
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
            Wish::Local { read_only, .. } => {
                if serves || (*read_only && can_read_alone) {
                    self.welcome_local(nonce, outputs);
                }
                return;
            }
        };
        self.tell_leader(relay, outputs);
    }

    /// A session of this server's own begins.
    fn welcome_local(&mut self, nonce: u64, outputs: &mut Vec<Output>) {
        let Some(entrant) = self.entering.remove(nonce) else {
            return;
        };
        let Wish::Local {
            last_zxid,
            watches,
            read_only,
        } = entrant.wish
        else {
            return;
        };
        let connection = entrant.connection;
        let applied = self.world.tree.applied();
        if applied < last_zxid {
            let why =
                format!("this server has come to {applied}, and you to {last_zxid}; try another");
            return Self::goodbye(connection, Fault::new(ErrorCode::NotServing, why), outputs);
        }
        self.local_sessions += 1;
        let session = SessionId::local(self.local_sessions);
        let welcome = Welcome {
            version: zareba_wire::client::VERSION,
            session,
            password: Password([0; 16]),
            kind: SessionKind::Local,
            timeout_ms: 0,
            server: self.me,
            zxid: applied,
        };
        let attachment = Attachment(0);
        let mut held = Held::new(session, attachment, connection, entrant.principals);
        held.reads_alone = read_only;
        self.take_in(held, welcome, outputs);
        self.watch_again(session, watches, last_zxid, outputs);
    }

    /// A client is told that it is in.
    fn take_in(&mut self, held: Held, welcome: Welcome, outputs: &mut Vec<Output>) {
        let connection = held.connection;
        self.held.insert(held);
        outputs.push(Output::Send {
            connection,
            message: ServerMessage::Welcome(welcome),
        });
        if let Some(message) = self.members_message() {
            outputs.push(Output::Send {
                connection,
                message,
            });
        }
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
            (Ok(_), Wish::Open { .. } | Wish::Local { .. }) => {}
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
            kind: SessionKind::Full,
            timeout_ms: record.timeout_ms,
            server: self.me,
            zxid: self.world.tree.applied(),
        };
        let before = self.held.session_of(connection);
        let mut held = Held::new(session, attachment, connection, entrant.principals);
        if let Some(own) = before.and_then(|before| self.held.remove(before)) {
            match self.config.has_bug(Bug::WatchesLostAtUpgrade) {
                true => self.watches.remove_session(own.session),
                false => self.watches.rename_session(own.session, session),
            }
            self.confirming.rename(own.session, session);
            (held.line, held.last_xid, held.acked) = (own.line, own.last_xid, own.acked);
            held.heard = own.heard;
            // Whoever it has proved to be since its second hello it still is.
            for principal in own.principals {
                if !held.principals.contains(&principal) {
                    held.principals.push(principal);
                }
            }
        }
        self.take_in(held, welcome, outputs);
        if let Wish::Attach {
            watches, last_zxid, ..
        } = entrant.wish
        {
            self.watch_again(session, watches, last_zxid, outputs);
        }
        self.pump(session, outputs);
    }

    /// A client has come with its watches: it is told what they have missed since `last`, and they are
    /// in force again.
    fn watch_again(
        &mut self,
        session: SessionId,
        watches: Vec<WatchSpec>,
        last: Zxid,
        outputs: &mut Vec<Output>,
    ) {
        let Some(held) = self.held.get(session) else {
            return;
        };
        let connection = held.connection;
        let mut missed = Vec::new();
        if let Some(behind) = self.history.behind(last) {
            let forgets = self.config.has_bug(Bug::StayingWatchLostOnReturn);
            for spec in watches {
                if !(forgets && spec.kind.stays()) {
                    self.watches.add(session, spec.path, spec.kind);
                }
            }
            for (event, acl) in behind {
                if may_read(acl, &held.principals) && self.watches.fire_for(session, event) {
                    missed.push(event.clone());
                }
            }
        } else {
            missed = self.guess_missed(session, watches, last);
        }
        outputs.extend(missed.into_iter().map(|event| Output::Send {
            connection,
            message: ServerMessage::Event(event),
        }));
    }

    /// The same from the nodes as they are, because nobody remembers what happened.
    fn guess_missed(
        &mut self,
        session: SessionId,
        watches: Vec<WatchSpec>,
        last: Zxid,
    ) -> Vec<Event> {
        let mut missed = Vec::new();
        // A node's end is told once, whatever the client waits for there, as it is when it happens.
        let mut ended = BTreeSet::new();
        for spec in watches {
            let stat = self.world.tree.stat(&spec.path);
            let kind = watch::missed(&spec, stat, last);
            if kind.is_none() || spec.kind.stays() {
                self.watches.add(session, spec.path.clone(), spec.kind);
            }
            match kind {
                None => {}
                Some(EventKind::Deleted) if !ended.insert(spec.path.clone()) => {}
                Some(kind) => missed.push(Event {
                    path: spec.path,
                    kind,
                    zxid: self.world.tree.applied(),
                }),
            }
        }
        missed
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
        self.touch(session);
        if let Some(held) = self.held.get_mut(session) {
            held.hear(true, self.now.monotonic);
        }
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
        let sessions: Vec<_> = std::mem::take(&mut self.touched).into_iter().collect();
        let renewals = sessions.iter().filter_map(|session| self.renewal(*session));
        let renewals = renewals.collect();
        let question = self.renewing.ask(renewals);
        if self.config.has_bug(Bug::RenewsAlone) {
            self.tell_renewed(question.unwrap_or(0), outputs);
        }
        self.tell_leader(Relay::Touch { sessions, question }, outputs);
    }

    fn renewal(&mut self, session: SessionId) -> Option<Renewal> {
        let timeout_ms = self.world.tree.session(session)?.timeout_ms;
        let now = self.now.monotonic;
        self.held.get_mut(session)?.take_renewal(now, timeout_ms)
    }

    /// The leader has heard of clients, and every end of a session that it had proposed by then is applied
    /// here: those that are still held live on.
    pub(super) fn tell_renewed(&mut self, question: u64, outputs: &mut Vec<Output>) {
        for renewal in self.renewing.answered(question) {
            let held = self.held.get(renewal.session);
            // Over another connection other messages have come.
            if let Some(held) = held.filter(|held| held.attachment == renewal.attachment) {
                let heard = renewal.heard;
                outputs.push(Output::Send {
                    connection: held.connection,
                    message: ServerMessage::Renewed { heard },
                });
            }
        }
    }
}
