//! The loop's side of all client connections: what each is to be told after a batch. Must never
//! know bytes.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use zareba_model::{ErrorCode, Fault};
use zareba_replica::ConnectionId;
use zareba_wire::ServerMessage;

use crate::connection::ConnectionHandle;
use crate::metrics::Metrics;

/// All connections, and what they are to be told at the end of this batch.
#[derive(Debug)]
pub(crate) struct Clients {
    /// Looked up only, never walked but for [`Clients::say_goodbye`], which sorts.
    table: FxHashMap<ConnectionId, Client>,
    /// Connections that have something to be told, each once.
    touched: Vec<ConnectionId>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Client {
    handle: ConnectionHandle,
    batch: Vec<ServerMessage>,
}

impl Clients {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            table: FxHashMap::default(),
            touched: Vec::new(),
            metrics,
        }
    }

    pub(crate) fn add(&mut self, connection: ConnectionId, handle: ConnectionHandle) {
        let client = Client {
            handle,
            batch: Vec::new(),
        };
        let before = self.table.insert(connection, client);
        assert!(before.is_none(), "a connection's number is used once");
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        self.table.remove(&connection);
    }

    /// Keeps a message for the end of the batch. Whoever has gone is told nothing.
    pub(crate) fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        let Some(client) = self.table.get_mut(&connection) else {
            return;
        };
        if client.batch.is_empty() {
            self.touched.push(connection);
        }
        client.batch.push(message);
    }

    /// Ends a connection behind everything sent before.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        let Some(client) = self.table.remove(&connection) else {
            return;
        };
        if client.batch.is_empty() || client.handle.send(client.batch) {
            client.handle.close();
        }
    }

    /// Hands every connection its batch: one wake-up each.
    pub(crate) fn flush(&mut self) {
        for connection in self.touched.drain(..) {
            let Some(client) = self.table.get_mut(&connection) else {
                continue;
            };
            let batch = std::mem::take(&mut client.batch);
            self.metrics.replies.add(batch.len());
            if !client.handle.send(batch) {
                tracing::warn!(
                    connection = connection.0,
                    "a client does not read what it is sent, and is cut off"
                );
                self.table.remove(&connection);
            }
        }
    }

    /// The server ends: sends every client to another one.
    pub(crate) fn say_goodbye(&mut self) {
        let mut connections: Vec<ConnectionId> = self.table.keys().copied().collect();
        connections.sort_unstable();
        for connection in connections {
            let fault = Fault::new(
                ErrorCode::NotServing,
                "this server is shutting down; go on with another one",
            );
            self.send(connection, ServerMessage::Goodbye(fault));
            self.close(connection);
        }
        self.touched.clear();
    }
}
