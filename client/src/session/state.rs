//! What a session knows and waits for: what it says to a new server, what a server's words change, and
//! who is to be told of it. Knows no lock, no waiting and no connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use zareba_model::limits::IDENTITIES_MAX;
use zareba_model::{
    Answer, Claim, Event, Op, Outcome, Password, SessionId, WatchOp, Write, Xid, Zxid,
};
use zareba_wire::{ClientMessage, Hello, SessionKind, Welcome, WireError};

use super::LinkEnd;
use crate::config::Entrance;
use crate::liveness::Liveness;
use crate::pending::{Pending, Reply, Request};
use crate::progress::Progress;
use crate::stream::{Queue, StreamTable, WatchStream};
use crate::watch::{Watch, WatchTable, Watcher};
use crate::{Error, clock, connection, limits};

#[derive(Debug)]
pub(super) struct State {
    pub(super) pending: Pending,
    pub(super) watches: WatchTable,
    pub(super) streams: StreamTable,
    pub(super) progress: Progress,
    pub(super) liveness: Liveness,
    pub(super) members: Members,
    /// How the session is entered as long as it has no identity.
    entrance: Entrance,
    /// Given again to every server.
    claims: Vec<Claim>,
    /// The whole ensemble's name for it, and what proves that it is ours.
    pub(super) identity: Option<(SessionId, Password)>,
    /// The present server's own name for it, as long as it has no other.
    local: Option<SessionId>,
    /// What to ask the servers for.
    asked_timeout: Duration,
    /// What they granted.
    pub(super) timeout: Duration,
    /// The last hello named watches.
    hello_names_watches: bool,
    /// Since when a session of one server waits to become one of the ensemble.
    pub(super) opening: Option<Instant>,
    pub(super) last_heard: Instant,
    pub(super) ping_due: bool,
    /// Invariant: true only while the writer waits, or is about to wait, for `outgoing`.
    pub(super) writer_waits: bool,
    /// The same for the heartbeat and `owed`.
    pub(super) heartbeat_rests: bool,
    pub(super) closing: bool,
    pub(super) abandoned: bool,
    pub(super) end: Option<Error>,
}

/// Where the ensemble's members are, as a server has told last.
#[derive(Debug, Default)]
pub(super) struct Members {
    version: u64,
    pub(super) addresses: Vec<String>,
}

impl Members {
    /// A server that is behind tells what was.
    pub(super) fn learn(&mut self, version: u64, addresses: Vec<String>) {
        if version >= self.version {
            *self = Self { version, addresses };
        }
    }
}

/// What callers are to be told, in order.
#[derive(Debug)]
pub(super) enum Telling {
    Answer(oneshot::Sender<Result<Reply, Error>>, Result<Reply, Error>),
    Event(Event, Vec<Watcher>, Vec<Arc<Queue>>),
}

impl Telling {
    /// Callers who have gone are no error: what they asked for was done and is acknowledged.
    pub(super) fn tell(self) {
        match self {
            Self::Answer(caller, reply) => {
                let _gone = caller.send(reply);
            }
            Self::Event(event, watchers, readers) => {
                for watcher in watchers {
                    let _gone = watcher.send(Ok(event.clone()));
                }
                for reader in readers {
                    reader.push(event.clone());
                }
            }
        }
    }
}

/// What the words of one batch have brought about.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) tellings: Vec<Telling>,
    /// Permits to give back.
    pub(super) requests: usize,
    pub(super) calls: usize,
    /// There is something to send that the writer may not know of.
    pub(super) wakes_writer: bool,
}

impl State {
    pub(super) fn new(
        timeout: Duration,
        entrance: Entrance,
        claims: Vec<Claim>,
        outgoing: Arc<Notify>,
    ) -> Self {
        let now = clock::now();
        Self {
            pending: Pending::new(),
            watches: WatchTable::default(),
            streams: StreamTable::new(outgoing),
            progress: Progress::new(),
            liveness: Liveness::new(now),
            members: Members::default(),
            entrance,
            claims,
            identity: None,
            local: None,
            asked_timeout: timeout,
            timeout,
            hello_names_watches: false,
            opening: None,
            last_heard: now,
            ping_due: false,
            writer_waits: false,
            heartbeat_rests: false,
            closing: false,
            abandoned: false,
            end: None,
        }
    }

    pub(super) fn id(&self) -> SessionId {
        let id = self.identity.map(|(session, _)| session).or(self.local);
        id.unwrap_or(SessionId::NONE)
    }

    /// True if some server has held it.
    pub(super) fn has_begun(&self) -> bool {
        self.identity.is_some() || self.local.is_some()
    }

    pub(super) fn kind(&self) -> SessionKind {
        match (self.identity, self.entrance) {
            (None, Entrance::Local { .. }) => SessionKind::Local,
            _ => SessionKind::Full,
        }
    }

    fn is_local(&self) -> bool {
        self.kind() == SessionKind::Local
    }

    /// True if nothing is left to do but to leave: a session of one server ends with its connection.
    pub(super) fn may_leave(&self) -> bool {
        self.closing && self.is_local() && self.pending.is_only_the_end()
    }

    // What a server is told.

    /// How a new connection is entered.
    pub(super) fn hello(&mut self) -> (Hello, Vec<Claim>) {
        let claims = self.claims.clone();
        if self.identity.is_none() && self.entrance == Entrance::Full {
            self.hello_names_watches = false;
            return (self.open(), claims);
        }
        let last_zxid = self.progress.told();
        let mut watches = self.watches.specs();
        watches.extend(self.streams.specs());
        self.hello_names_watches = !watches.is_empty();
        let hello = match (self.identity, self.entrance) {
            (Some((session, password)), _) => Hello::Attach {
                session,
                password,
                last_zxid,
                watches,
            },
            (None, entrance) => Hello::Local {
                last_zxid,
                watches,
                read_only: entrance == Entrance::Local { read_only: true },
            },
        };
        (hello, claims)
    }

    fn open(&self) -> Hello {
        Hello::Open {
            timeout_ms: u32::try_from(self.asked_timeout.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// Adds the requests that the connection has not carried, in order, as far as they may go and fit.
    pub(super) fn write_requests(&mut self, batch: &mut BytesMut) -> Result<(), WireError> {
        self.streams.see_off();
        while !self.closing
            && let Some(op) = self.streams.next_removal()
        {
            self.pending.push(Request {
                op,
                // Nobody waits for it.
                answer: oneshot::channel().0,
                counted: false,
            });
        }
        let now = clock::now();
        let acked = self.pending.acked();
        let mut carried: Option<(Xid, Xid, u64)> = None;
        while batch.len() < limits::BATCH_BYTES {
            if self.is_local() && self.must_wait(batch, now)? {
                break;
            }
            let Some((xid, request)) = self.pending.next_unsent() else {
                break;
            };
            super::encode_request(xid, acked.clone(), request, batch)?;
            let (first, count) = carried.map_or((xid, 0), |(first, _, count)| (first, count));
            carried = Some((first, xid, count + 1));
        }
        if let Some((first, last, count)) = carried {
            self.liveness.sent(first, last, count, now);
        }
        Ok(())
    }

    /// True if the next request is not for a session of one server, which becomes one of the ensemble
    /// first: what is behind it waits too, so that all keep their order.
    fn must_wait(&mut self, batch: &mut BytesMut, now: Instant) -> Result<bool, WireError> {
        match self.pending.peek_unsent() {
            // There is nothing to close.
            Some(Op::Write(Write::CloseSession)) => return Ok(true),
            Some(Op::Write(_) | Op::Call { .. }) => {}
            _ => return Ok(false),
        }
        if self.opening.is_none() {
            let hello = connection::encode_hello(self.open(), self.claims.clone())?;
            batch.extend_from_slice(&hello);
            self.opening = Some(now);
        }
        Ok(true)
    }

    // What a server tells.

    /// A server holds the session now, over a new connection whose hello was sent then.
    pub(super) fn attached(
        &mut self,
        welcome: &Welcome,
        hello_sent: Instant,
    ) -> Result<(), LinkEnd> {
        if welcome.kind == SessionKind::Local && welcome.zxid < self.progress.seen() {
            let why = "the server is behind what this client has seen already";
            return Err(LinkEnd::Lost(why.to_owned()));
        }
        let now = clock::now();
        // A session that has just begun holds nothing yet that could have been lost meanwhile.
        let proved = match self.identity {
            Some(_) => hello_sent,
            None => now,
        };
        self.liveness.entered(proved);
        self.held_as(welcome);
        self.progress
            .attached(welcome.zxid, self.hello_names_watches);
        self.opening = None;
        self.last_heard = now;
        // Its answer says that all that was missed has been told; and a welcome that was long in coming
        // proves little.
        let is_late = now - proved > self.timeout / 4;
        self.ping_due = self.hello_names_watches || is_late;
        self.pending.unsend();
        Ok(())
    }

    /// The session of one server is the ensemble's from here on.
    pub(super) fn opened(
        &mut self,
        welcome: &Welcome,
        effects: &mut Effects,
    ) -> Result<(), LinkEnd> {
        if self.opening.take().is_none() {
            return Err(LinkEnd::Lost("the server said a second welcome".to_owned()));
        }
        self.caught_up(welcome.zxid, effects);
        // It holds nothing yet.
        self.liveness.proved(clock::now());
        self.held_as(welcome);
        effects.wakes_writer = true;
        Ok(())
    }

    fn held_as(&mut self, welcome: &Welcome) {
        match welcome.kind {
            SessionKind::Full => {
                self.identity = Some((welcome.session, welcome.password));
                self.timeout = Duration::from_millis(welcome.timeout_ms.into());
            }
            SessionKind::Local => self.local = Some(welcome.session),
        }
    }

    /// The server is gone.
    pub(super) fn lost(&mut self) {
        self.writer_waits = false;
        self.heartbeat_rests = false;
        self.opening = None;
        self.progress.lost();
    }

    /// A request has its answer.
    pub(super) fn reply(
        &mut self,
        xid: Xid,
        zxid: Zxid,
        answer: Answer,
        effects: &mut Effects,
    ) -> Result<(), LinkEnd> {
        self.caught_up(zxid, effects);
        self.liveness.replied(xid);
        let taken = self.pending.take(xid);
        let taken = taken.map_err(|_| LinkEnd::Lost(format!("xid {} was never used", xid.0)))?;
        let Some(request) = taken else {
            return Ok(());
        };
        if request.counted {
            match super::is_call(&request.op) {
                true => effects.calls += 1,
                false => effects.requests += 1,
            }
        }
        let closed = matches!(answer, Ok(Outcome::Closed));
        let answer = answer.map_err(Error::from);
        if let Op::Watch(WatchOp::Remove { .. }) = &request.op {
            effects.wakes_writer |= self.streams.removed();
        }
        let (watch, stream) = self.left_behind(&request.op, &answer, zxid);
        let reply = answer.map(|outcome| Reply {
            outcome,
            watch,
            stream,
        });
        effects
            .tellings
            .push(Telling::Answer(request.answer, reply));
        if closed || self.may_leave() {
            return Err(LinkEnd::Closed);
        }
        Ok(())
    }

    /// Keeps what a request has left: a watch, a watch that stays, an identity.
    fn left_behind(
        &mut self,
        op: &Op,
        answer: &Result<Outcome, Error>,
        zxid: Zxid,
    ) -> (Option<Watch>, Option<WatchStream>) {
        match (op, answer) {
            (
                Op::Watch(WatchOp::Add {
                    path, recursive, ..
                }),
                Ok(Outcome::Watching { missed }),
            ) => {
                let missed = missed.clone();
                let stream = self.streams.granted(path, *recursive, missed, zxid);
                (None, Some(stream))
            }
            (
                Op::Watch(WatchOp::Add {
                    path, recursive, ..
                }),
                _,
            ) => {
                self.streams.refused(path, *recursive);
                (None, None)
            }
            (Op::Authenticate(claim), Ok(Outcome::Authenticated(_))) => {
                if !self.claims.contains(claim) && self.claims.len() < IDENTITIES_MAX {
                    self.claims.push(claim.clone());
                }
                (None, None)
            }
            (op, Ok(outcome)) => (self.watches.register(op, outcome), None),
            (_, Err(_)) => (None, None),
        }
    }

    pub(super) fn event(&mut self, event: Event, effects: &mut Effects) {
        if let Some(event) = self.progress.event(event) {
            self.fire(event, effects);
        }
    }

    /// All that came up to here has been told, if what was held so far is told now.
    pub(super) fn caught_up(&mut self, zxid: Zxid, effects: &mut Effects) {
        for event in self.progress.caught_up(zxid) {
            self.fire(event, effects);
        }
    }

    fn fire(&mut self, event: Event, effects: &mut Effects) {
        let (mut watchers, mut readers) = (Vec::new(), Vec::new());
        self.watches.fire(&event, &mut watchers);
        self.streams.readers_of(&event, &mut readers);
        effects
            .tellings
            .push(Telling::Event(event, watchers, readers));
    }

    /// Since when the server has left what was sent without a sign that it is of use: of a session of the
    /// ensemble it must bring the leader's word, not only its own.
    pub(super) fn served_since(&self) -> Instant {
        match self.is_local() {
            true => self.liveness.answered(),
            false => self.liveness.lives_since(),
        }
    }

    /// Adds a ping.
    pub(super) fn write_ping(&mut self, batch: &mut BytesMut) -> Result<(), WireError> {
        zareba_wire::encode_frame(&ClientMessage::Ping, batch)?;
        self.liveness.pinged(clock::now());
        Ok(())
    }
}
