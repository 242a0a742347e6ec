//! The way of a request on the server that holds its session: in, in line, read here or sent to
//! the leader, and out in the session's order.

use std::collections::BTreeSet;

use bytes::Bytes;
use zareba_model::limits::{SESSION_OUTSTANDING_MAX, SESSION_WATCHES_MAX};
use zareba_model::{
    Acked, Answer, Attachment, ErrorCode, EventKind, Fault, Forward, Op, Outcome, Permissions,
    Principal, Read, Relay, SessionId, WatchKind, Xid, ZnodePath,
};
use zareba_wire::{Hello, ServerMessage, Welcome};
use zareba_zab::Role;

use super::{Deferred, Replica};
use crate::entering::{Entrant, Wish};
use crate::held::{Held, State, Waiting};
use crate::input::ConnectionId;
use crate::output::Output;
use crate::plugin::{Caller, GuestAnswer, GuestEntry, GuestFailure, PluginRuntime};
use crate::{admit, guest_call, watch};

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
        after: zareba_model::Zxid,
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
        let Wish::Attach {
            watches, last_zxid, ..
        } = entrant.wish
        else {
            return;
        };
        // A node's end is told once, whatever the client waits for there, as it is when it happens.
        let mut ended = BTreeSet::new();
        for spec in watches {
            let stat = self
                .world
                .tree
                .node(spec.path.as_str())
                .map(|node| node.stat());
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
        self.watches.remove_session(session);
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

    pub(super) fn on_request(
        &mut self,
        connection: ConnectionId,
        xid: Xid,
        acked: Acked,
        op: Op,
        outputs: &mut Vec<Output>,
    ) {
        // A connection that has just been sent away may still ask; its goodbye is on the way.
        let Some(session) = self.held.session_of(connection) else {
            return;
        };
        self.touched.insert(session);
        let Some(held) = self.held.get_mut(session) else {
            return;
        };
        if xid <= held.last_xid || held.line.len() >= SESSION_OUTSTANDING_MAX {
            let fault = if xid <= held.last_xid {
                let why = format!("request {} came behind {}", xid.0, held.last_xid.0);
                Fault::new(ErrorCode::BadArguments, why)
            } else {
                let why = format!("at most {SESSION_OUTSTANDING_MAX} requests wait at once");
                Fault::new(ErrorCode::Throttled, why)
            };
            self.held.remove(session);
            self.watches.remove_session(session);
            return Self::goodbye(connection, fault, outputs);
        }
        held.last_xid = xid;
        held.acked = acked;
        let state = match admit::check(&op, &held.acked) {
            Err(fault) => State::Settled(Err(fault)),
            Ok(()) => match self.is_read(&op) {
                true => State::Read(op),
                false => State::Forwarded(op),
            },
        };
        let forwarded = matches!(state, State::Forwarded(_));
        if let Some(held) = self.held.get_mut(session) {
            held.line.push_back(Waiting { xid, state });
        }
        if forwarded && self.is_serving() {
            self.forward(session, xid, outputs);
        }
        self.pump(session, outputs);
    }

    /// True for what this server answers by itself: reads, and queries of plugins it knows.
    fn is_read(&self, op: &Op) -> bool {
        match op {
            Op::Read(_) => true,
            Op::Call { mount, op, .. } => self.query_mount(mount, op).is_some(),
            Op::Write(_) | Op::Sync => false,
        }
    }

    fn query_mount(&self, path: &ZnodePath, op: &str) -> Option<zareba_model::Mount> {
        let mount = self.world.tree.mount(path.as_str())?;
        let plugin = self.world.tree.plugin(&mount.plugin)?;
        let revision = plugin.revision(&mount.revision)?;
        revision
            .description
            .op(op)
            .filter(|op| op.read_only)
            .map(|_| mount.clone())
    }

    /// Sends a request to the leader, unless its result is known already.
    fn forward(&mut self, session: SessionId, xid: Xid, outputs: &mut Vec<Output>) {
        let Some(held) = self.held.get_mut(session) else {
            return;
        };
        if let Some(answer) = self.world.tree.result(session, xid) {
            return held.settle(xid, answer.clone());
        }
        if self.world.tree.parked_of_request(session, xid).is_some() {
            return held.park(xid);
        }
        let Some((_, op)) = held.forwarded().find(|(waiting, _)| *waiting == xid) else {
            return;
        };
        let forward = Forward {
            session,
            attachment: held.attachment,
            xid,
            acked: held.acked.clone(),
            principals: held.principals.clone(),
            op: op.clone(),
        };
        self.tell_leader(Relay::Forward(forward), outputs);
    }

    /// There is a new leader: it has to see every request that is not answered, in order.
    pub(super) fn forward_again(&mut self, session: SessionId, outputs: &mut Vec<Output>) {
        let Some(held) = self.held.get_mut(session) else {
            return;
        };
        let xids: Vec<_> = held.forwarded().map(|(xid, _)| xid).collect();
        for xid in xids {
            self.forward(session, xid, outputs);
        }
    }

    /// The leader's word on a request that becomes no transaction holds now.
    pub(super) fn settle_refused(
        &mut self,
        refused: zareba_model::Refused,
        outputs: &mut Vec<Output>,
    ) {
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

    /// Answers from the front of a session's line as far as it goes.
    pub(super) fn pump(&mut self, session: SessionId, outputs: &mut Vec<Output>) {
        let serving = self.is_serving();
        loop {
            let Some(held) = self.held.get_mut(session) else {
                return;
            };
            let connection = held.connection;
            match held.line.front().map(|waiting| &waiting.state) {
                None | Some(State::Forwarded(_)) => return,
                Some(State::Read(_)) if !serving => return,
                Some(State::Read(_) | State::Settled(_)) => {}
            }
            let Some(Waiting { xid, state }) = held.line.pop_front() else {
                return;
            };
            let answer = match state {
                State::Settled(answer) => answer,
                State::Read(op) => self.read(session, op),
                State::Forwarded(_) => return,
            };
            self.reply(connection, xid, answer, outputs);
        }
    }

    pub(super) fn reply(
        &self,
        connection: ConnectionId,
        xid: Xid,
        answer: Answer,
        outputs: &mut Vec<Output>,
    ) {
        let zxid = self.world.tree.applied();
        let message = ServerMessage::Reply { xid, zxid, answer };
        outputs.push(Output::Send {
            connection,
            message,
        });
    }

    fn read(&mut self, session: SessionId, op: Op) -> Answer {
        match op {
            Op::Read(read) => self.read_tree(session, read),
            Op::Call { mount, op, input } => self.query(session, &mount, op, input),
            Op::Write(_) | Op::Sync => {
                panic!("a write must never stand in line as a read")
            }
        }
    }

    fn read_tree(&mut self, session: SessionId, read: Read) -> Answer {
        let (path, watch) = match &read {
            Read::Get { path, watch }
            | Read::Exists { path, watch }
            | Read::Children { path, watch, .. } => (path.clone(), *watch),
        };
        if watch && self.watches.count(session) >= SESSION_WATCHES_MAX {
            let why = format!("a session leaves at most {SESSION_WATCHES_MAX} watches");
            return Err(Fault::new(ErrorCode::Throttled, why));
        }
        let tree = &self.world.tree;
        if let (Some(node), Some(held)) = (tree.node(path.as_str()), self.held.get_mut(session)) {
            zareba_tree::acl::check(node.acl(), &held.principals, Permissions::READ)?;
        }
        let (answer, kind) = match &read {
            Read::Get { path, .. } => (tree.get(path), WatchKind::Data),
            Read::Exists { path, .. } => (tree.exists(path), WatchKind::Data),
            Read::Children { path, page, .. } => (tree.children(path, page), WatchKind::Children),
        };
        if watch && answer.is_ok() {
            self.watches.add(session, path, kind);
        }
        answer
    }

    fn query(&mut self, session: SessionId, path: &ZnodePath, op: String, input: Bytes) -> Answer {
        let Some(mount) = self.query_mount(path, &op) else {
            let why = format!("the plugin at {path} was unmounted or changed meanwhile");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        };
        let principals = self
            .held
            .get_mut(session)
            .map(|held| held.principals.clone());
        let caller = Caller {
            session,
            principals: principals.unwrap_or_default(),
            ..Caller::default()
        };
        let entry = GuestEntry::Query { op, input };
        self.world.show_committed_only(true);
        let result = guest_call::run(
            &mut self.world,
            &mut self.stand_in,
            &mut self.plugins,
            &mount,
            caller,
            entry,
            self.config.seed,
            &mut self.log,
        );
        self.world.show_committed_only(false);
        match result {
            Ok(GuestAnswer::Done(value)) => Ok(Outcome::Called(value)),
            Ok(GuestAnswer::Park { .. }) => {
                Err(Fault::new(ErrorCode::PluginTrap, "a query cannot park"))
            }
            Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) => Err(fault),
        }
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

    /// Something is told once `after` is applied here, which may be now.
    pub(super) fn defer(
        &mut self,
        after: zareba_model::Zxid,
        told: Deferred,
        outputs: &mut Vec<Output>,
    ) {
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
