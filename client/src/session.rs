//! The session's state, shared by its callers and its driver: requests, watches, how it stands.
//! Knows no socket; the lock is never held while anything is waited for.
//!
//! ```text
//! Connecting --> Attached <--> Lost
//!      |            |           |
//!      +------------+-----------+--> Expired or Closed
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::time::Instant;
use zareba_model::limits::FRAME_BYTES_MAX;
use zareba_model::{
    Acked, Answer, ErrorCode, Event, Fault, Op, Outcome, Password, ServerId, SessionId, Write, Xid,
    Zxid,
};
use zareba_wire::{ClientMessage, Hello, ServerMessage, Welcome, WireError};

use crate::pending::{Pending, Reply, Request};
use crate::watch::{WatchTable, Watcher};
use crate::{Error, clock, connection, limits};

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// No server has been found yet.
    Connecting,
    /// A server holds it.
    Attached(ServerId),
    /// The server is gone and another one is searched. Requests wait; ephemeral nodes and locks
    /// are still held, until the session's timeout.
    Lost,
    /// It is over, by the word of a server or by the client's own clock: ephemeral nodes and locks
    /// are gone, or will be as soon as the servers can see to it. No server is needed to learn this:
    /// it is so when none was heard of for the session's timeout.
    Expired,
    /// The client was closed, or gave up; a request tells why.
    Closed,
}

/// Where a request's caller waits.
pub(crate) type Receipt = oneshot::Receiver<Result<Reply, Error>>;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Session {
    state: Mutex<State>,
    /// Wakes the writer.
    pub(crate) outgoing: Notify,
    /// Wakes the heartbeat, which sleeps long while nothing is owed.
    pub(crate) owed: Notify,
    /// Tells the driver that nobody is left to ask anything.
    pub(crate) abandoned: Notify,
    requests: Semaphore,
    calls: Semaphore,
    status: watch::Sender<Status>,
}

#[derive(Debug)]
struct State {
    pending: Pending,
    watches: WatchTable,
    identity: Option<(SessionId, Password)>,
    timeout: Duration,
    last_zxid: Zxid,
    members: Members,
    last_heard: Instant,
    last_sent: Instant,
    ping_due: bool,
    /// Invariant: true only while the writer waits, or is about to wait, for `outgoing`.
    writer_waits: bool,
    /// The same for the heartbeat and `owed`.
    heartbeat_rests: bool,
    closing: bool,
    abandoned: bool,
    end: Option<Error>,
}

/// Where the ensemble's members are, as a server has told last.
#[derive(Debug, Default)]
struct Members {
    version: u64,
    addresses: Vec<String>,
}

impl Members {
    /// A server that is behind tells what was.
    fn learn(&mut self, version: u64, addresses: Vec<String>) {
        if version >= self.version {
            *self = Self { version, addresses };
        }
    }
}

/// Why a connection serves no more.
#[derive(Debug)]
pub(crate) enum LinkEnd {
    /// Another server must be found.
    Lost(String),
    /// The session is over.
    Expired,
    /// The session was closed as asked.
    Closed,
    /// This library cannot go on.
    Failed(Error),
}

/// What callers are to be told, in order.
#[derive(Debug)]
enum Telling {
    Answer(oneshot::Sender<Result<Reply, Error>>, Result<Reply, Error>),
    Events(Vec<Watcher>, Event),
}

/// What the heartbeat goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    pub(crate) timeout: Duration,
    pub(crate) last_heard: Instant,
    pub(crate) last_sent: Instant,
    /// True if a request waits for its answer.
    pub(crate) owed: bool,
    /// True unless a ping still waits for the writer, which a server stops that reads no further.
    pub(crate) pinged: bool,
}

impl Session {
    /// A session that no server knows yet.
    pub(crate) fn new(timeout: Duration) -> Self {
        let now = clock::now();
        Self {
            state: Mutex::new(State {
                pending: Pending::new(),
                watches: WatchTable::default(),
                identity: None,
                timeout,
                last_zxid: Zxid::ZERO,
                members: Members::default(),
                last_heard: now,
                last_sent: now,
                ping_due: false,
                writer_waits: false,
                heartbeat_rests: false,
                closing: false,
                abandoned: false,
                end: None,
            }),
            outgoing: Notify::new(),
            owed: Notify::new(),
            abandoned: Notify::new(),
            requests: Semaphore::new(limits::OUTSTANDING_MAX),
            calls: Semaphore::new(limits::CALLS_MAX),
            status: watch::Sender::new(Status::Connecting),
        }
    }

    // What callers do.

    /// Hands in a request once there is room for it.
    pub(crate) async fn submit(&self, op: Op) -> Result<Receipt, Error> {
        let bytes = estimate(&op);
        if bytes > FRAME_BYTES_MAX {
            let max = FRAME_BYTES_MAX;
            return Err(Error::TooLarge { bytes, max });
        }
        let room = self.room(&op);
        match room.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => match room.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => return Err(self.ended()),
            },
        }
        self.enqueue(op, true)
    }

    /// Hands in a request now, beyond what there is room for: for drops, which cannot wait.
    pub(crate) fn submit_at_once(&self, op: Op) -> Result<Receipt, Error> {
        self.enqueue(op, false)
    }

    /// Hands in the session's end. No other request is taken after it.
    pub(crate) fn submit_close(&self) -> Result<Receipt, Error> {
        self.enqueue(Op::Write(Write::CloseSession), false)
    }

    /// Nobody is left to ask anything: the session is closed if that can be done soon.
    pub(crate) fn abandon(&self) {
        let _already_closing = self.submit_close();
        self.lock().abandoned = true;
        self.abandoned.notify_one();
    }

    /// How the session stands, now and later.
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The session's name; none before the first server was found.
    pub(crate) fn id(&self) -> SessionId {
        let identity = self.lock().identity;
        identity.map_or(SessionId::NONE, |(session, _)| session)
    }

    /// The newest state of the tree that this client has seen.
    pub(crate) fn last_zxid(&self) -> Zxid {
        self.lock().last_zxid
    }

    /// Why nothing can be asked any more.
    pub(crate) fn ended(&self) -> Error {
        self.lock().end.clone().unwrap_or(Error::Closed)
    }

    fn enqueue(&self, op: Op, counted: bool) -> Result<Receipt, Error> {
        let (answer, receipt) = oneshot::channel();
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        if state.closing {
            return Err(Error::Closed);
        }
        state.closing = matches!(op, Op::Write(Write::CloseSession));
        state.pending.push(Request {
            op,
            answer,
            counted,
        });
        let wake_writer = std::mem::take(&mut state.writer_waits);
        let wake_heartbeat = std::mem::take(&mut state.heartbeat_rests);
        drop(state);
        if wake_writer {
            self.outgoing.notify_one();
        }
        if wake_heartbeat {
            self.owed.notify_one();
        }
        Ok(receipt)
    }

    // What the driver does.

    /// How a new connection is entered; watches that do not fit into one message are given up.
    pub(crate) fn hello(&self) -> Result<Bytes, Error> {
        loop {
            let mut state = self.lock();
            let hello = state.hello();
            match connection::encode_hello(hello) {
                Ok(frame) => return Ok(frame),
                Err(WireError::TooLarge { .. }) => {
                    let shed = state.watches.shed_half();
                    drop(state);
                    if shed.is_empty() {
                        return Err(Error::Protocol(
                            "a hello without watches is too large".into(),
                        ));
                    }
                    for watcher in shed {
                        let _gone = watcher.send(Err(Error::WatchLost));
                    }
                }
                Err(error) => return Err(Error::Protocol(error.to_string())),
            }
        }
    }

    /// A server holds the session now.
    pub(crate) fn attached(&self, welcome: &Welcome) {
        let now = clock::now();
        let mut state = self.lock();
        state.identity = Some((welcome.session, welcome.password));
        state.timeout = Duration::from_millis(welcome.timeout_ms.into());
        state.last_zxid = state.last_zxid.max(welcome.zxid);
        state.last_heard = now;
        state.last_sent = now;
        state.ping_due = false;
        state.pending.unsend();
        drop(state);
        self.status.send_replace(Status::Attached(welcome.server));
    }

    /// The server is gone.
    pub(crate) fn lost(&self) {
        let mut state = self.lock();
        state.writer_waits = false;
        state.heartbeat_rests = false;
        let known = state.identity.is_some();
        drop(state);
        if known {
            self.status.send_replace(Status::Lost);
        }
    }

    /// Where the members of the ensemble are, as far as a server has told.
    pub(crate) fn members(&self) -> Vec<String> {
        self.lock().members.addresses.clone()
    }

    /// When the session must be taken for expired unless a server is heard of; `None` before
    /// there is a session.
    pub(crate) fn expires(&self) -> Option<Instant> {
        let state = self.lock();
        state.identity.map(|_| state.last_heard + state.timeout)
    }

    /// When a server last said anything.
    pub(crate) fn last_heard(&self) -> Instant {
        self.lock().last_heard
    }

    /// True once the session's end has been asked for.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// True once nobody is left to ask anything.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// True if enough is in flight that waiting for more to send with it costs nobody anything.
    pub(crate) fn is_busy(&self) -> bool {
        self.requests.available_permits() + 4 < limits::OUTSTANDING_MAX
    }

    /// Moves what is to be sent next into `batch`. False if there is nothing, in which case
    /// `outgoing` tells when there is.
    pub(crate) fn next_batch(&self, batch: &mut BytesMut) -> Result<bool, WireError> {
        let mut state = self.lock();
        let state = &mut *state;
        let acked = state.pending.acked();
        while batch.len() < limits::BATCH_BYTES {
            let Some((xid, request)) = state.pending.next_unsent() else {
                break;
            };
            encode_request(xid, acked.clone(), request, batch)?;
        }
        if batch.is_empty() && state.ping_due {
            zareba_wire::encode_frame(&ClientMessage::Ping, batch)?;
        }
        if batch.is_empty() {
            state.writer_waits = true;
            return Ok(false);
        }
        // Any message is a sign of life; requests make a ping needless.
        state.ping_due = false;
        state.last_sent = clock::now();
        Ok(true)
    }

    /// Takes in what the server has said and tells everybody concerned, in the server's order.
    pub(crate) fn absorb(&self, messages: &mut Vec<ServerMessage>) -> Result<(), LinkEnd> {
        let mut tellings = Vec::with_capacity(messages.len());
        let (mut requests, mut calls) = (0, 0);
        let mut state = self.lock();
        state.last_heard = clock::now();
        let mut result = Ok(());
        for message in messages.drain(..) {
            result = match message {
                ServerMessage::Reply { xid, zxid, answer } => {
                    state.last_zxid = state.last_zxid.max(zxid);
                    state.reply(xid, answer, &mut tellings, &mut requests, &mut calls)
                }
                ServerMessage::Event(event) => {
                    state.event(event, &mut tellings);
                    Ok(())
                }
                ServerMessage::Pong { zxid } => {
                    state.last_zxid = state.last_zxid.max(zxid);
                    Ok(())
                }
                ServerMessage::Goodbye(fault) => Err(goodbye(fault)),
                ServerMessage::Members { version, addresses } => {
                    state.members.learn(version, addresses);
                    Ok(())
                }
                ServerMessage::Welcome(_) | ServerMessage::Status(_) | ServerMessage::Joined(_) => {
                    Err(LinkEnd::Lost(
                        "the server said what nobody asked".to_owned(),
                    ))
                }
            };
            if result.is_err() {
                break;
            }
        }
        drop(state);
        // Waking callers needs no lock; the callers may want it.
        for telling in tellings {
            telling.tell();
        }
        give_back(&self.requests, requests);
        give_back(&self.calls, calls);
        result
    }

    /// Asks the writer for a ping.
    pub(crate) fn ping(&self) {
        let mut state = self.lock();
        state.ping_due = true;
        let wake = std::mem::take(&mut state.writer_waits);
        drop(state);
        if wake {
            self.outgoing.notify_one();
        }
    }

    /// What the heartbeat goes by. `owed` tells when something new is owed, if nothing is or the
    /// heartbeat rests.
    pub(crate) fn pulse(&self, rests: bool) -> Pulse {
        let mut state = self.lock();
        let owed = !state.pending.is_empty();
        state.heartbeat_rests = rests || !owed;
        Pulse {
            timeout: state.timeout,
            last_heard: state.last_heard,
            last_sent: state.last_sent,
            owed,
            pinged: !state.ping_due,
        }
    }

    /// The session is over: everybody who waits is told why. Later ends change nothing.
    pub(crate) fn end(&self, end: Error) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end.clone());
        let requests = state.pending.drain();
        let watchers = state.watches.drain();
        drop(state);
        self.requests.close();
        self.calls.close();
        let expired = end == Error::SessionExpired;
        let status = if expired {
            Status::Expired
        } else {
            Status::Closed
        };
        self.status.send_replace(status);
        for request in requests {
            let _gone = request.answer.send(Err(end.clone()));
        }
        for watcher in watchers {
            let _gone = watcher.send(Err(end.clone()));
        }
    }

    fn room(&self, op: &Op) -> &Semaphore {
        if is_call(op) {
            &self.calls
        } else {
            &self.requests
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics halfway through a change, so the state behind a poisoned lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hello(&mut self) -> Hello {
        match self.identity {
            None => Hello::Open {
                timeout_ms: u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX),
            },
            Some((session, password)) => Hello::Attach {
                session,
                password,
                last_zxid: self.last_zxid,
                watches: self.watches.specs(),
            },
        }
    }

    fn reply(
        &mut self,
        xid: Xid,
        answer: Answer,
        tellings: &mut Vec<Telling>,
        requests: &mut usize,
        calls: &mut usize,
    ) -> Result<(), LinkEnd> {
        let taken = self.pending.take(xid);
        let taken = taken.map_err(|_| LinkEnd::Lost(format!("xid {} was never used", xid.0)))?;
        let Some(request) = taken else {
            return Ok(());
        };
        if request.counted {
            *(if is_call(&request.op) {
                calls
            } else {
                requests
            }) += 1;
        }
        let closed = matches!(answer, Ok(Outcome::Closed));
        let reply = answer.map_err(Error::from).map(|outcome| Reply {
            watch: self.watches.register(&request.op, &outcome),
            outcome,
        });
        tellings.push(Telling::Answer(request.answer, reply));
        if closed { Err(LinkEnd::Closed) } else { Ok(()) }
    }

    fn event(&mut self, event: Event, tellings: &mut Vec<Telling>) {
        self.last_zxid = self.last_zxid.max(event.zxid);
        let mut watchers = Vec::new();
        self.watches.fire(&event, &mut watchers);
        tellings.push(Telling::Events(watchers, event));
    }
}

impl Telling {
    /// Callers who have gone are no error: what they asked for was done and is acknowledged.
    fn tell(self) {
        match self {
            Self::Answer(caller, reply) => {
                let _gone = caller.send(reply);
            }
            Self::Events(watchers, event) => {
                for watcher in watchers {
                    let _gone = watcher.send(Ok(event.clone()));
                }
            }
        }
    }
}

/// What a server's last word means for the session. What is wrong with the client itself is so
/// at every server; anything else may be otherwise at the next one.
pub(crate) fn goodbye(fault: Fault) -> LinkEnd {
    match fault.code {
        ErrorCode::SessionExpired => LinkEnd::Expired,
        ErrorCode::NoAuth
        | ErrorCode::BadArguments
        | ErrorCode::MarshallingError
        | ErrorCode::TooLarge => LinkEnd::Failed(Error::Refused(fault)),
        _ => LinkEnd::Lost(fault.to_string()),
    }
}

/// The operation is lent to the message and put back, so that nothing is copied to be sent again.
fn encode_request(
    xid: Xid,
    acked: Acked,
    request: &mut Request,
    batch: &mut BytesMut,
) -> Result<(), WireError> {
    let op = std::mem::replace(&mut request.op, Op::Sync);
    let message = ClientMessage::Request { xid, acked, op };
    let result = zareba_wire::encode_frame(&message, batch);
    if let ClientMessage::Request { op, .. } = message {
        request.op = op;
    }
    result
}

fn is_call(op: &Op) -> bool {
    matches!(op, Op::Call { .. })
}

fn give_back(room: &Semaphore, permits: usize) {
    if permits > 0 {
        room.add_permits(permits);
    }
}

/// At least as many bytes as the request will take, cheaply. An xid is spent for good, so that
/// what cannot be sent must be refused before it gets one.
fn estimate(op: &Op) -> usize {
    use zareba_model::limits::ADDRESS_BYTES_MAX;
    use zareba_model::{Change, PluginOp, Read};
    let change = |change: &Change| {
        let data = match change {
            Change::Create { data, acl, .. } => {
                let entries = acl.0.iter().map(|entry| {
                    let principal = &entry.principal;
                    principal.scheme.len() + principal.id.len() + limits::ITEM_OVERHEAD_BYTES
                });
                data.len() + entries.sum::<usize>()
            }
            Change::Set { data, .. } => data.len(),
            Change::Delete { .. } | Change::Check { .. } => 0,
        };
        data + change.path().as_str().len() + limits::ITEM_OVERHEAD_BYTES
    };
    let variable = match op {
        Op::Read(read) | Op::LinearizableRead(read) => match read {
            Read::Get { path, .. } | Read::Exists { path, .. } => path.as_str().len(),
            Read::Children { path, page, .. } => {
                path.as_str().len() + page.prefix.len() + page.after.as_ref().map_or(0, String::len)
            }
        },
        Op::Write(Write::Change(one)) => change(one),
        Op::Write(Write::Multi(changes)) => changes.iter().map(change).sum(),
        Op::Write(Write::Plugin(PluginOp::PushChunk { data, .. })) => data.len(),
        Op::Write(Write::Plugin(PluginOp::Mount {
            name, path, config, ..
        })) => {
            let pairs = config.iter();
            let pairs = pairs.map(|(k, v)| k.len() + v.len() + limits::ITEM_OVERHEAD_BYTES);
            name.len() + path.as_str().len() + pairs.sum::<usize>()
        }
        Op::Write(Write::Plugin(
            PluginOp::Register { name, .. } | PluginOp::Activate { name, .. },
        )) => name.len(),
        Op::Write(Write::Plugin(PluginOp::Unmount { path })) => path.as_str().len(),
        // Two addresses at most.
        Op::Write(Write::Ensemble(_)) => 2 * ADDRESS_BYTES_MAX,
        Op::Write(Write::CloseSession) | Op::Sync => 0,
        Op::Call { mount, op, input } => mount.as_str().len() + op.len() + input.len(),
    };
    variable + limits::FRAME_OVERHEAD_BYTES
}
