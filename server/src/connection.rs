//! One client's connection between its door and the loop, whatever protocol the door speaks.
//! Must never know bytes.
//!
//! ```text
//!   task: ClientConnection --- Requests + credit ---> loop
//!   task: ClientConnection <-- one Vec per batch ---- loop: ConnectionHandle
//! ```
//!
//! Towards the loop, a connection has a bounded credit; when it is used up its task stops reading
//! until the loop has taken what was sent. Towards the client, what the loop has queued is weighed;
//! a client that leaves too much unread is cut off, because everything else would let one client
//! hold the memory of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use zareba_model::{Answer, Outcome, Principal, ReadAnswer, ReadOutcome, limits};
use zareba_replica::{ConnectionId, Input};
use zareba_wire::ServerMessage;

use crate::admission::Admission;
use crate::config::ServerConfig;
use crate::event::{Event, EventSenders};
use crate::listener::identity::Identities;
use crate::listener::occupancy::Occupancy;
use crate::metrics::Metrics;

/// Part of a connection's credit; given back when dropped.
pub(crate) type Credit = OwnedSemaphorePermit;

/// What the loop hands a connection.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Messages of one batch, and what they weigh.
    Messages(Vec<ServerMessage>, usize),
    /// Nothing more; end once all has left.
    Close,
}

/// What every connection's task needs of the server.
#[derive(Debug)]
pub(crate) struct Doorway {
    events: EventSenders,
    next_connection: AtomicU64,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) admission: Admission,
    pub(crate) identities: Identities,
    /// The sessions that are held here, of each identity.
    pub(crate) sessions: Arc<Occupancy<Principal>>,
}

impl Doorway {
    pub(crate) fn new(
        config: &ServerConfig,
        events: EventSenders,
        metrics: Arc<Metrics>,
        admission: Admission,
    ) -> Self {
        let limits = &config.limits;
        Self {
            events,
            next_connection: AtomicU64::new(1),
            metrics,
            admission,
            identities: Identities::new(config.superusers.clone()),
            sessions: Occupancy::new(limits.connections_max, limits.sessions_per_identity_max),
        }
    }
}

/// The task's end of a connection.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    pub(crate) id: ConnectionId,
    events: EventSenders,
    credit: Arc<Semaphore>,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    unread: Arc<AtomicUsize>,
    cut: Arc<Notify>,
}

/// The loop's end of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    unread: Arc<AtomicUsize>,
    cut: Arc<Notify>,
}

/// The loop has ended; so must its connections.
#[derive(Debug)]
pub(crate) struct LoopGone;

impl ClientConnection {
    /// Makes a connection known to the loop.
    pub(crate) fn open(doorway: &Doorway) -> Result<Self, LoopGone> {
        let id = ConnectionId(doorway.next_connection.fetch_add(1, Ordering::Relaxed));
        let (handle, connection) = Self::pair(id, doorway.events.clone());
        let connected = Event::Connected {
            connection: id,
            handle,
        };
        if doorway.events.clients.send(connected).is_err() {
            return Err(LoopGone);
        }
        doorway.metrics.connections.add(1);
        Ok(connection)
    }

    fn pair(id: ConnectionId, events: EventSenders) -> (ConnectionHandle, Self) {
        let (sender, outgoing) = mpsc::unbounded_channel();
        let unread = Arc::new(AtomicUsize::new(0));
        let cut = Arc::new(Notify::new());
        let handle = ConnectionHandle {
            outgoing: sender,
            unread: Arc::clone(&unread),
            cut: Arc::clone(&cut),
        };
        let connection = Self {
            id,
            events,
            credit: Arc::new(Semaphore::new(CREDIT_MAX)),
            outgoing,
            unread,
            cut,
        };
        (handle, connection)
    }

    /// Hands the loop what has come, as soon as there is credit for its weight.
    pub(crate) async fn deliver(&self, inputs: Vec<Input>, weight: usize) -> Result<(), LoopGone> {
        let weight = u32::try_from(weight.min(CREDIT_MAX)).unwrap_or(u32::MAX);
        let Ok(credit) = Arc::clone(&self.credit).acquire_many_owned(weight).await else {
            return Err(LoopGone);
        };
        let requests = Event::Requests { inputs, credit };
        self.events.clients.send(requests).map_err(|_| LoopGone)
    }

    /// Waits for what the loop has to send, takes all there is, and says what was added to
    /// `batches`; 0 means that the loop has dropped the connection.
    pub(crate) async fn next_outgoing(&mut self, batches: &mut Vec<Outgoing>) -> usize {
        self.outgoing.recv_many(batches, OUTGOING_BATCHES_MAX).await
    }

    /// Says that so much of what the loop sent has left.
    pub(crate) fn has_left(&self, weight: usize) {
        self.unread.fetch_sub(weight, Ordering::Relaxed);
    }

    /// Resolves when the loop has cut the connection off.
    pub(crate) fn cut(&self) -> Arc<Notify> {
        Arc::clone(&self.cut)
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let connection = self.id;
        drop(self.events.clients.send(Event::Disconnected { connection }));
    }
}

impl ConnectionHandle {
    /// Hands over one batch. False if the client has left too much unread: the connection is cut
    /// off, and the handle of no more use.
    pub(crate) fn send(&self, messages: Vec<ServerMessage>) -> bool {
        let weight: usize = messages.iter().map(weight).sum();
        let before = self.unread.fetch_add(weight, Ordering::Relaxed);
        if before + weight > UNREAD_BYTES_MAX && before > 0 {
            self.cut.notify_one();
            return false;
        }
        // The task may have ended already; then its last event is on its way.
        drop(self.outgoing.send(Outgoing::Messages(messages, weight)));
        true
    }

    /// Ends the connection once everything sent before has left.
    pub(crate) fn close(&self) {
        drop(self.outgoing.send(Outgoing::Close));
    }
}

/// What a message from a client takes of its connection's credit: one for itself and one for each
/// started piece of its bytes.
pub(crate) fn request_weight(bytes: usize) -> usize {
    1 + bytes / CREDIT_BYTES
}

/// About how many bytes a message holds in memory until it has left.
fn weight(message: &ServerMessage) -> usize {
    let payload = match message {
        ServerMessage::Reply { answer, .. } => answer_bytes(answer),
        _ => 0,
    };
    MESSAGE_BYTES + payload
}

fn answer_bytes(answer: &Answer) -> usize {
    match answer {
        Ok(outcome) => outcome_bytes(outcome),
        Err(fault) => fault.message.len(),
    }
}

fn outcome_bytes(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Got { data, .. } | Outcome::Called(data) => data.len(),
        Outcome::Children { names, .. } => names.iter().map(|name| name.len() + 24).sum(),
        Outcome::Multi(outcomes) => outcomes.iter().map(|one| 64 + outcome_bytes(one)).sum(),
        Outcome::Paths { paths, .. } => paths.iter().map(|path| path.as_str().len() + 24).sum(),
        Outcome::MultiRead(answers) => answers.iter().map(|one| 64 + read_bytes(one)).sum(),
        Outcome::Watching {
            missed: Some(missed),
        } => missed
            .iter()
            .map(|event| event.path.as_str().len() + 40)
            .sum(),
        _ => 0,
    }
}

fn read_bytes(answer: &ReadAnswer) -> usize {
    match answer {
        Ok(ReadOutcome::Got { data, .. }) => data.len(),
        Ok(ReadOutcome::Children { names, .. }) => names.iter().map(|name| name.len() + 24).sum(),
        Ok(ReadOutcome::Paths { paths, .. }) => {
            paths.iter().map(|path| path.as_str().len() + 24).sum()
        }
        Ok(_) => 0,
        Err(fault) => fault.message.len(),
    }
}

/// A connection's credit: as many small messages as a session may have outstanding, or
/// `CREDIT_MAX * CREDIT_BYTES` = 16 MiB of large ones.
pub(crate) const CREDIT_MAX: usize = limits::SESSION_OUTSTANDING_MAX;

/// Bytes that cost as much credit as a message.
const CREDIT_BYTES: usize = 16 << 10;

/// What a client may leave unread, bytes: more than all answers that a full credit of reads of
/// ordinary nodes can have under way. Payloads are shared with the tree, so that this is memory of
/// its own only for what the tree has meanwhile dropped.
const UNREAD_BYTES_MAX: usize = 256 << 20;

/// Batches written at once.
const OUTGOING_BATCHES_MAX: usize = 64;

/// What a message without payload takes, about.
const MESSAGE_BYTES: usize = 128;

const _: () = {
    assert!(CREDIT_MAX * CREDIT_BYTES >= 2 * limits::FRAME_BYTES_MAX);
    assert!(CREDIT_MAX <= u32::MAX as usize);
    assert!(UNREAD_BYTES_MAX > limits::FRAME_BYTES_MAX);
};

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zareba_model::{Stat, Xid, Zxid};

    use super::*;
    use crate::event::queues;

    fn reply(bytes: usize) -> ServerMessage {
        ServerMessage::Reply {
            xid: Xid(1),
            zxid: Zxid::ZERO,
            answer: Ok(Outcome::Got {
                data: Bytes::from(vec![0; bytes]),
                stat: Stat::default(),
            }),
        }
    }

    #[tokio::test]
    async fn a_connection_without_credit_waits_until_the_loop_has_taken_its_requests() {
        let (senders, receivers) = queues();
        let (_handle, connection) = ClientConnection::pair(ConnectionId(1), senders);
        connection
            .deliver(vec![Input::Tick], CREDIT_MAX)
            .await
            .unwrap();
        let mut second = Box::pin(connection.deliver(vec![Input::Tick], 1));
        assert!(futures_poll_once(second.as_mut()).await.is_none());
        assert_eq!(receivers.take_now().second.len(), 1);
        second.await.unwrap();
        assert_eq!(receivers.take_now().second.len(), 1);
    }

    async fn futures_poll_once<F: Future + Unpin>(future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off_and_one_that_reads_is_not() {
        let (senders, _receivers) = queues();
        let (handle, mut connection) = ClientConnection::pair(ConnectionId(1), senders);
        let half = UNREAD_BYTES_MAX / 2;
        assert!(handle.send(vec![reply(half)]));
        let mut batches = Vec::new();
        assert_eq!(connection.next_outgoing(&mut batches).await, 1);
        let Some(Outgoing::Messages(_, weight)) = batches.pop() else {
            panic!("expected messages");
        };
        connection.has_left(weight);
        assert!(handle.send(vec![reply(half)]));
        assert!(!handle.send(vec![reply(half)]));
        connection.cut().notified().await;
    }

    #[tokio::test]
    async fn the_last_event_of_a_connection_says_that_it_is_gone() {
        let (senders, receivers) = queues();
        let (_handle, connection) = ClientConnection::pair(ConnectionId(7), senders);
        drop(connection);
        let event = receivers.take_now().second.pop_front();
        assert!(matches!(
            event,
            Some(Event::Disconnected {
                connection: ConnectionId(7)
            })
        ));
    }
}
