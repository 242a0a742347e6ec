//! The session's state, shared by its callers and its driver: requests, watches, how it stands.
//! Knows no socket; the lock is never held while anything is waited for.
//!
//! ```text
//! Connecting --> Attached <--> Lost
//!      |            |           |
//!      +------------+-----------+--> Expired or Closed
//! ```

mod size;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::time::Instant;
use zareba_model::limits::FRAME_BYTES_MAX;
use zareba_model::{
    Acked, Claim, ErrorCode, Fault, Op, ServerId, SessionId, WatchOp, Write, Xid, Zxid,
};
use zareba_wire::{ClientMessage, ServerMessage, SessionKind, Welcome, WireError};

use crate::config::Entrance;
use crate::pending::{Reply, Request};
use crate::{Error, clock, connection, limits};
use size::estimate;
use state::{Effects, State};

/// How a session stands. [`Client::session_kind`](crate::Client::session_kind) says what it is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// No server has been found yet.
    Connecting,
    /// A server holds it.
    Attached(ServerId),
    /// The server is gone and another one is searched. Requests wait; ephemeral nodes and locks
    /// are still held, until the session's timeout. A local session holds none and has no timeout.
    Lost,
    /// It is over, by the word of a server or by the client's own clock: ephemeral nodes and locks
    /// are gone, or will be as soon as the servers can see to it. No server is needed to learn this:
    /// it is so when the servers' leader is not known to have heard of the client within the timeout.
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
    pub(crate) outgoing: Arc<Notify>,
    /// Wakes the heartbeat, which sleeps long while nothing is owed.
    pub(crate) owed: Notify,
    /// Tells the driver that nobody is left to ask anything.
    pub(crate) abandoned: Notify,
    requests: Semaphore,
    calls: Semaphore,
    status: watch::Sender<Status>,
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

/// What the heartbeat goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    pub(crate) timeout: Duration,
    pub(crate) last_heard: Instant,
    /// When the newest message was sent of which the server has shown that it arrived where it must.
    pub(crate) answered: Instant,
    /// Since when a session of one server waits to become one of the ensemble.
    pub(crate) opening: Option<Instant>,
    /// True if a request waits for its answer.
    pub(crate) owed: bool,
    /// True unless a ping still waits for the writer, which a server stops that reads no further.
    pub(crate) pinged: bool,
}

impl Session {
    /// A session that no server knows yet, which proves those claims to each.
    pub(crate) fn new(timeout: Duration, entrance: Entrance, claims: Vec<Claim>) -> Self {
        let outgoing = Arc::new(Notify::new());
        let state = State::new(timeout, entrance, claims, Arc::clone(&outgoing));
        Self {
            state: Mutex::new(state),
            outgoing,
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
        self.lock().id()
    }

    /// What it is good for now.
    pub(crate) fn kind(&self) -> SessionKind {
        self.lock().kind()
    }

    /// Requests handed in so far.
    pub(crate) fn requests_made(&self) -> u64 {
        self.lock().pending.taken()
    }

    /// The newest state of the tree that this client has seen.
    pub(crate) fn last_zxid(&self) -> Zxid {
        self.lock().progress.seen()
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
        if let Op::Watch(WatchOp::Add {
            path, recursive, ..
        }) = &op
        {
            state.streams.asked(path, *recursive);
        }
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
            let (hello, claims) = state.hello();
            match connection::encode_hello(hello, claims) {
                Ok(frame) => return Ok(frame),
                Err(WireError::TooLarge { .. }) => {
                    let shed = state.watches.shed_half();
                    let readers = match shed.is_empty() {
                        true => state.streams.shed_half(),
                        false => Vec::new(),
                    };
                    drop(state);
                    if shed.is_empty() && readers.is_empty() {
                        return Err(Error::Protocol(
                            "a hello without watches is too large".into(),
                        ));
                    }
                    for watcher in shed {
                        let _gone = watcher.send(Err(Error::WatchLost));
                    }
                    for reader in readers {
                        reader.end(Error::WatchLost);
                    }
                }
                Err(error) => return Err(Error::Protocol(error.to_string())),
            }
        }
    }

    /// A server holds the session now, over a new connection whose hello was sent then.
    pub(crate) fn attached(&self, welcome: &Welcome, hello_sent: Instant) -> Result<(), LinkEnd> {
        self.lock().attached(welcome, hello_sent)?;
        self.status.send_replace(Status::Attached(welcome.server));
        Ok(())
    }

    /// The server is gone.
    pub(crate) fn lost(&self) {
        let mut state = self.lock();
        state.lost();
        let known = state.has_begun();
        drop(state);
        if known {
            self.status.send_replace(Status::Lost);
        }
    }

    /// Where the members of the ensemble are, as far as a server has told.
    pub(crate) fn members(&self) -> Vec<String> {
        self.lock().members.addresses.clone()
    }

    /// When the session must be taken for expired unless the servers' leader is known to have heard of it
    /// meanwhile; `None` for one that no timeout ends.
    pub(crate) fn expires(&self) -> Option<Instant> {
        let state = self.lock();
        let lives_since = state.liveness.lives_since();
        state.identity.map(|_| lives_since + state.timeout)
    }

    /// When a server last said anything to a session that no timeout ends; `None` for others, and before
    /// the first server was found.
    pub(crate) fn adrift_since(&self) -> Option<Instant> {
        let state = self.lock();
        let is_adrift = state.identity.is_none() && state.has_begun();
        is_adrift.then_some(state.last_heard)
    }

    /// When a server last said anything.
    pub(crate) fn last_heard(&self) -> Instant {
        self.lock().last_heard
    }

    /// True if nothing is lost with the connection.
    pub(crate) fn may_leave(&self) -> bool {
        self.lock().may_leave()
    }

    /// The timeout that the servers granted, or that they will be asked for.
    pub(crate) fn timeout(&self) -> Duration {
        self.lock().timeout
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
    pub(crate) fn next_batch(&self, batch: &mut BytesMut) -> Result<bool, LinkEnd> {
        let failed = |error: WireError| LinkEnd::Failed(Error::Protocol(error.to_string()));
        let mut state = self.lock();
        state.write_requests(batch).map_err(failed)?;
        if state.ping_due {
            // Beside requests too, which may wait long for their answers.
            state.ping_due = false;
            state.write_ping(batch).map_err(failed)?;
        }
        if !batch.is_empty() {
            return Ok(true);
        }
        if state.may_leave() {
            return Err(LinkEnd::Closed);
        }
        state.writer_waits = true;
        Ok(false)
    }

    /// Takes in what the server has said and tells everybody concerned, in the server's order.
    pub(crate) fn absorb(&self, messages: &mut Vec<ServerMessage>) -> Result<(), LinkEnd> {
        let mut effects = Effects {
            tellings: Vec::with_capacity(messages.len()),
            ..Effects::default()
        };
        let mut opened = None;
        let mut state = self.lock();
        state.last_heard = clock::now();
        let mut result = Ok(());
        for message in messages.drain(..) {
            result = match message {
                ServerMessage::Reply { xid, zxid, answer } => {
                    state.reply(xid, zxid, answer, &mut effects)
                }
                ServerMessage::Event(event) => {
                    state.event(event, &mut effects);
                    Ok(())
                }
                ServerMessage::Pong { zxid } => {
                    state.caught_up(zxid, &mut effects);
                    state.liveness.ponged();
                    Ok(())
                }
                ServerMessage::Renewed { heard } => {
                    state.liveness.renewed(heard);
                    Ok(())
                }
                ServerMessage::Goodbye(fault) => Err(goodbye(fault)),
                ServerMessage::Members { version, addresses } => {
                    state.members.learn(version, addresses);
                    Ok(())
                }
                ServerMessage::Welcome(welcome) => {
                    opened = Some(welcome.server);
                    state.opened(&welcome, &mut effects)
                }
                ServerMessage::Status(_) | ServerMessage::Joined(_) => Err(LinkEnd::Lost(
                    "the server said what nobody asked".to_owned(),
                )),
            };
            if result.is_err() {
                break;
            }
        }
        let wakes_writer = effects.wakes_writer && std::mem::take(&mut state.writer_waits);
        drop(state);
        if wakes_writer {
            self.outgoing.notify_one();
        }
        if let (Some(server), Ok(())) = (opened, &result) {
            self.status.send_replace(Status::Attached(server));
        }
        // Waking callers needs no lock; the callers may want it.
        for telling in effects.tellings {
            telling.tell();
        }
        give_back(&self.requests, effects.requests);
        give_back(&self.calls, effects.calls);
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
            answered: state.served_since(),
            opening: state.opening,
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
        let readers = state.streams.drain();
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
        for reader in readers {
            reader.end(end.clone());
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

/// What a server's last word means for the session. What is wrong with the client itself is so
/// at every server; anything else may be otherwise at the next one.
pub(crate) fn goodbye(fault: Fault) -> LinkEnd {
    match fault.code {
        ErrorCode::SessionExpired => LinkEnd::Expired,
        ErrorCode::NoAuth
        | ErrorCode::AuthFailed
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use zareba_model::{Outcome, Password, WatchKind, ZnodePath};
    use zareba_wire::{FrameDecoder, Hello};

    use super::*;

    #[test]
    fn watches_that_fit_into_no_hello_are_given_up_and_their_readers_told() {
        const COUNT: u64 = 2_200;
        let session = Session::new(Duration::from_secs(10), Entrance::Full, Vec::new());
        let welcome = Welcome {
            version: zareba_wire::client::VERSION,
            session: SessionId(7),
            password: Password([7; 16]),
            kind: SessionKind::Full,
            timeout_ms: 10_000,
            server: ServerId(1),
            zxid: Zxid::ZERO,
        };
        session.attached(&welcome, clock::now()).unwrap();
        let long = "x".repeat(4_000);
        let streams = (1..=COUNT).map(|xid| {
            let path = ZnodePath::parse(&format!("/{xid:04}-{long}")).unwrap();
            let op = Op::Watch(WatchOp::Add {
                path,
                recursive: true,
                since: None,
            });
            let receipt = session.submit_at_once(op).unwrap();
            let missed = Some(Vec::new());
            let reply = ServerMessage::Reply {
                xid: Xid(xid),
                zxid: Zxid::ZERO,
                answer: Ok(Outcome::Watching { missed }),
            };
            session.absorb(&mut vec![reply]).unwrap();
            let answered = receipt.now_or_never().unwrap().unwrap();
            answered.unwrap().stream.unwrap()
        });
        let mut streams: Vec<_> = streams.collect();
        session.lost();

        let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
        decoder.feed(&session.hello().unwrap());
        let frame = decoder.next_frame().unwrap().unwrap();
        let ClientMessage::Hello { hello, .. } = zareba_wire::decode(&frame).unwrap() else {
            panic!("a hello was expected");
        };
        let Hello::Attach { watches, .. } = hello else {
            panic!("the session must come back, not {hello:?}");
        };
        let is_recursive = |kind| kind == WatchKind::Recursive;
        assert!(watches.iter().all(|watch| is_recursive(watch.kind)));
        let ends = streams.iter_mut().filter_map(|it| it.next().now_or_never());
        let ends: Vec<_> = ends.collect();
        assert!(ends.iter().all(|end| *end == Some(Err(Error::WatchLost))));
        let half = usize::try_from(COUNT / 2).unwrap();
        assert_eq!((watches.len(), ends.len()), (half, half));
    }
}
