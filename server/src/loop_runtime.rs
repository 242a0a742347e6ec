//! The thread of the loop and of the links to peers: what a peer says reaches the loop, and what the
//! loop says leaves, without waking another thread. Must never know what either does.
//!
//! Clients are served by the process's own runtime, so that their encryption takes no time of this
//! thread.

use std::future::Future;
use std::net::UdpSocket;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use zareba_transport::Credentials;

use crate::config::ServerConfig;
use crate::error::{ServerError, StartError};
use crate::event::EventSenders;
use crate::metrics::Metrics;
use crate::peers::Peers;

/// A runtime of one thread.
pub(crate) struct LoopRuntime(Option<Runtime>);

impl LoopRuntime {
    pub(crate) fn new() -> Result<Self, StartError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StartError::Thread {
            name: "zareba-loop",
            error,
        })?;
        Ok(Self(Some(runtime)))
    }

    /// Binds the links to this runtime; they begin to live when it runs.
    pub(crate) fn start_peers(
        &self,
        config: &ServerConfig,
        socket: UdpSocket,
        ca_pem: String,
        credentials: Credentials,
        events: EventSenders,
        metrics: Arc<Metrics>,
    ) -> Result<Peers, zareba_transport::MeshError> {
        let _entered = self.0.as_ref().map(Runtime::enter);
        Peers::start(config, socket, ca_pem, credentials, events, metrics)
    }

    /// Runs the loop to its end on the current thread, says how it ended, and takes leave of the
    /// peers.
    pub(crate) fn run(
        mut self,
        main_loop: impl Future<Output = Result<(), ServerError>> + Send + 'static,
        peers: Peers,
        end: oneshot::Sender<Result<(), ServerError>>,
    ) {
        let Some(runtime) = self.0.take() else { return };
        runtime.block_on(async {
            // As a task of its own, the loop is woken by the links without a system call.
            let ended = tokio::spawn(main_loop).await;
            drop(end.send(ended.unwrap_or(Err(ServerError::Crashed))));
            peers.close().await;
        });
    }
}

impl Drop for LoopRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A server that does not start is dropped by a task, which must not wait.
            runtime.shutdown_background();
        }
    }
}
