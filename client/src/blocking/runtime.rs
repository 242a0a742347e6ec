//! The thread that a blocking client's connections live on. Knows no request.

use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::park::{block_on, may_block};
use crate::config::Config;
use crate::session::Status;
use crate::{Client, Error};

/// What all handles of a session share. When the last one goes, the session is closed in the
/// background, if a server is at hand, and the thread ends.
#[derive(Debug)]
pub(super) struct Home {
    runtime: Handle,
    /// Never sent anything: its end tells the thread that nobody is left.
    _alive: oneshot::Sender<()>,
}

impl Home {
    /// Starts the thread and opens a session on it.
    pub(super) fn open(config: Config) -> Result<(Arc<Self>, Client), Error> {
        // Before anything is begun: a task is refused all the same a little later.
        may_block()?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| no_thread(&error))?;
        let handle = runtime.handle().clone();
        let (alive, gone) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let live = move || runtime.block_on(live(config, tell, gone));
        let thread = thread::Builder::new().name("zareba-client".to_owned());
        let _detached = thread.spawn(live).map_err(|error| no_thread(&error))?;
        let home = Arc::new(Self {
            runtime: handle,
            _alive: alive,
        });
        let opened = home.block_on(told)?;
        Ok((home, opened.unwrap_or(Err(Error::Closed))?))
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        block_on(&self.runtime, future)
    }
}

/// Lives as long as anybody holds the session, and a little longer, until it is closed.
async fn live(
    config: Config,
    tell: oneshot::Sender<Result<Client, Error>>,
    gone: oneshot::Receiver<()>,
) {
    let opened = Client::open(config).await;
    let status = opened.as_ref().ok().map(Client::status);
    let _given_up = tell.send(opened);
    let _nobody_left = gone.await;
    if let Some(mut status) = status {
        let over = |status: &Status| matches!(status, Status::Closed | Status::Expired);
        let _session_gone = status.wait_for(over).await;
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::Configuration(format!("no thread for the client's connections: {error}"))
}
