//! A server that runs, as its owner sees it, and how it ends. Must never know how it works.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};
use zareba_model::ServerId;
use zareba_storage::Directory;
use zareba_zab::Role;

use crate::error::ServerError;
use crate::event::{Event, EventSenders};
use crate::listener::quic::QuicDoor;
use crate::metrics::Metrics;

/// A running server. Dropping it ends it as well, without waiting.
#[derive(Debug)]
pub struct RunningServer {
    pub(crate) id: ServerId,
    pub(crate) client_addr: SocketAddr,
    pub(crate) peer_addr: SocketAddr,
    pub(crate) events: EventSenders,
    pub(crate) role: watch::Receiver<Role>,
    pub(crate) metrics: Arc<Metrics>,
    /// Gone once it was waited for.
    pub(crate) end: Option<tokio::task::JoinHandle<Result<(), ServerError>>>,
}

impl RunningServer {
    /// Ends the server: sends its clients to others, finishes what it was told to write, closes
    /// its links. Returns when its data directory is free again.
    pub async fn shutdown(mut self) -> Result<(), ServerError> {
        self.events.tell(Event::Shutdown);
        self.wait().await
    }

    /// Waits until the server has ended, by itself or by somebody else's wish. How it ended is told
    /// once; of a server whose end was told there is nothing to wait for.
    pub async fn wait(&mut self) -> Result<(), ServerError> {
        let Some(end) = &mut self.end else {
            return Ok(());
        };
        let end = end.await;
        self.end = None;
        end.unwrap_or(Err(ServerError::Crashed))
    }

    /// Its number.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Where clients reach it.
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// Where peers reach it.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }

    /// What it is, now and whenever that changes.
    pub fn role(&self) -> watch::Receiver<Role> {
        self.role.clone()
    }

    /// Its counters.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.events.tell(Event::Shutdown);
    }
}

/// What has to be ended behind the loop, in this order.
pub(crate) struct Remains {
    pub(crate) door: QuicDoor,
    pub(crate) disk_threads: Vec<JoinHandle<()>>,
    pub(crate) directory: Directory,
}

/// Waits for the loop's end, then ends the rest.
pub(crate) async fn supervise(
    loop_end: oneshot::Receiver<Result<(), ServerError>>,
    remains: Remains,
) -> Result<(), ServerError> {
    // A loop that cannot say how it ended has panicked.
    let end = loop_end.await.unwrap_or(Err(ServerError::Crashed));
    remains.door.close().await;
    let threads = remains.disk_threads;
    let directory = remains.directory;
    let joined = tokio::task::spawn_blocking(move || {
        let crashed = threads.into_iter().any(|thread| thread.join().is_err());
        drop(directory);
        crashed
    });
    let crashed = joined.await.unwrap_or(true);
    match &end {
        Ok(()) => tracing::info!("the server has ended"),
        Err(error) => tracing::error!(%error, "the server has stopped"),
    }
    if crashed && end.is_ok() {
        return Err(ServerError::Crashed);
    }
    end
}
