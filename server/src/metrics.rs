//! All counters of a server. Must never know who reads them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the server started. All of them only rise.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Client connections taken.
    pub connections: Counter,
    /// Connections refused because a limit was reached.
    pub connections_refused: Counter,
    /// Sessions refused because their identity has as many here as it may have.
    pub sessions_refused: Counter,
    /// Connections ended because the client sent something that is no message.
    pub connections_malformed: Counter,
    /// Connections ended because the client did not read what it was sent.
    pub connections_cut: Counter,
    /// Messages from clients that reached the loop.
    pub client_messages: Counter,
    /// Messages handed to client connections.
    pub replies: Counter,
    /// Rounds of the loop.
    pub batches: Counter,
    /// Log writes.
    pub log_writes: Counter,
    /// Syncs of the log; each makes all writes before it durable.
    pub log_syncs: Counter,
    /// Image writes.
    pub image_writes: Counter,
    /// Messages from peers.
    pub peer_messages: Counter,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// What it has reached.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }
}
