//! Everything that can reach the loop: one closed enum, one queue of two lanes. Must never decide anything.
//!
//! Peers, disk and compiler have a lane of their own, so that no flood of clients can starve what
//! the ensemble lives by. Neither lane has a bound of its own, because each source has one: a
//! client connection its [`Credit`], peers the transactions that may be outstanding, the disk one
//! answer per write.

use std::fmt;

use zareba_model::Sha256;
use zareba_replica::{ConnectionId, Input};

use crate::connection::{ConnectionHandle, Credit};
use crate::error::ServerError;
use crate::plugins::CompileResult;
use crate::queue::{Receiver, Sender, two_lanes};

/// One thing for the loop.
pub(crate) enum Event {
    /// A client connection stands; first of its events.
    Connected {
        connection: ConnectionId,
        handle: ConnectionHandle,
    },
    /// What a client connection has read at once. The credit goes back when the loop takes it.
    Requests { inputs: Vec<Input>, credit: Credit },
    /// A client connection is gone; last of its events.
    Disconnected { connection: ConnectionId },
    /// A peer or the disk has something.
    Input(Input),
    /// A component is compiled, or refused with a reason.
    Compiled {
        sha256: Sha256,
        result: CompileResult,
    },
    /// The server cannot go on.
    Fatal(ServerError),
    /// The operator wants the server to end.
    Shutdown,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected { .. } => "Connected",
            Self::Requests { .. } => "Requests",
            Self::Disconnected { .. } => "Disconnected",
            Self::Input(_) => "Input",
            Self::Compiled { .. } => "Compiled",
            Self::Fatal(_) => "Fatal",
            Self::Shutdown => "Shutdown",
        })
    }
}

/// The ends of both lanes that the rest of the server writes to.
#[derive(Clone, Debug)]
pub(crate) struct EventSenders {
    pub(crate) clients: Sender<Event>,
    pub(crate) internal: Sender<Event>,
}

/// The queue: what is internal goes first.
pub(crate) fn queues() -> (EventSenders, Receiver<Event>) {
    let (internal, clients, receiver) = two_lanes();
    (EventSenders { clients, internal }, receiver)
}

impl EventSenders {
    /// Tells the loop, unless it has ended: whoever asks then is about to be ended as well.
    pub(crate) fn tell(&self, event: Event) {
        drop(self.internal.send(event));
    }
}
