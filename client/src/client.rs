//! The handle: how it is made, how it asks, how it ends. Knows no connection and no operation; what
//! is asked waits in the session until a server answers it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use zareba_model::{ErrorCode, Op, Outcome, SessionId, Zxid};
use zareba_wire::SessionKind;

use crate::chroot::Chroot;
use crate::config::{ClientBuilder, Config};
use crate::connection::Dialer;
use crate::driver::Driver;
use crate::lock::Turns;
use crate::pending::Reply;
use crate::retry::Retry;
use crate::session::{Receipt, Session, Status};
use crate::{Error, limits};

/// A session with an ensemble. Clones share it, and all that they ask is in flight together, in
/// the order in which the futures were first polled.
///
/// Handles of one session may differ in how they ask: see [`linearizable`](Self::linearizable),
/// [`resending`](Self::resending) and [`chroot`](Self::chroot).
///
/// **Cancellation.** Every future may be dropped at any time without harm to the session, and none
/// takes its request back: a request that was polled once may be executed, and its answer is thrown
/// away. What that leaves behind, if anything, is said at each method that writes; reads leave
/// nothing, and a watch that nobody holds any more is not asked for again.
///
/// When the last clone is dropped without [`close`](Self::close), the session is closed in the
/// background if a server is at hand; otherwise it ends by its timeout.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
    root: Chroot,
    linearizable: bool,
    /// How long what a leader without an office refused is asked again.
    resend: Duration,
}

#[derive(Debug)]
struct Handle {
    session: Arc<Session>,
    request_timeout: Option<Duration>,
    runtime: Runtime,
    turns: Turns,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.session.abandon();
    }
}

impl Client {
    /// Begins a client; give it a profile and connect it.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    pub(crate) async fn open(config: Config) -> Result<Self, Error> {
        let dialer = Dialer::new(&config.profile)?;
        let session = Session::new(
            config.session_timeout,
            config.entrance,
            config.claims.clone(),
        );
        let session = Arc::new(session);
        let client = Self {
            handle: Arc::new(Handle {
                session: Arc::clone(&session),
                request_timeout: config.request_timeout,
                runtime: Runtime::current(),
                turns: Turns::default(),
            }),
            root: Chroot::default(),
            linearizable: config.linearizable_reads,
            resend: config.retry.resend,
        };
        let mut status = session.status();
        tokio::spawn(Driver::new(Arc::clone(&session), config, dialer).run());
        let entered = status
            .wait_for(|status| *status != Status::Connecting)
            .await;
        match entered.as_deref() {
            Ok(Status::Attached(_) | Status::Lost) => Ok(client),
            _ => Err(session.ended()),
        }
    }

    /// The same session, whose reads through this handle are linearizable: each sees at least all
    /// that had been acknowledged to anybody when it was asked. A quorum confirms each batch of them
    /// first, which takes a round trip between the servers; other reads take none.
    #[must_use]
    pub fn linearizable(&self) -> Self {
        Self {
            linearizable: true,
            ..self.clone()
        }
    }

    /// The same session, whose requests through this handle are sent again, for so long, when a
    /// leader that lost its office has refused them ([`ErrorCode::NotServing`]): such a request had
    /// no effect. It then comes behind requests made meanwhile, which matters only to who does not
    /// await one request before making the next. The recipes ask like this.
    #[must_use]
    pub fn resending(&self, within: Duration) -> Self {
        Self {
            resend: within,
            ..self.clone()
        }
    }

    // The session.

    /// The session's name. A full session's stays the same on every server; a local one has another at
    /// each.
    pub fn session_id(&self) -> SessionId {
        self.handle.session.id()
    }

    /// What the session is good for now: a [local](ClientBuilder::local) one becomes a full one with
    /// its first write, for good.
    pub fn session_kind(&self) -> SessionKind {
        self.handle.session.kind()
    }

    /// How the session stands, now and later.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.handle.session.status()
    }

    /// The newest state of the tree that this client has seen. No server that is behind it will
    /// be asked.
    pub fn last_zxid(&self) -> Zxid {
        self.handle.session.last_zxid()
    }

    /// Requests made by all handles of this session so far, those under way included: what something
    /// cost in round trips. One that is sent again over a new connection counts once.
    pub fn requests_made(&self) -> u64 {
        self.handle.session.requests_made()
    }

    /// Closes the session, for all clones: its ephemeral nodes and locks are gone when this
    /// returns. A local session has none and ends with its connection. What was asked before is answered before; what is asked later is refused. A dropped future
    /// closes it all the same, once it was polled.
    pub async fn close(&self) -> Result<(), Error> {
        let session = &self.handle.session;
        let mut status = session.status();
        if let Ok(receipt) = session.submit_close() {
            match self.answer(receipt).await {
                Ok(_) | Err(Error::Closed | Error::SessionExpired) => {}
                Err(error) => return Err(error),
            }
        }
        let over = |status: &Status| matches!(status, Status::Closed | Status::Expired);
        let _session_gone = status.wait_for(over).await;
        Ok(())
    }

    // Inside.

    /// The same session without a prefix before its paths.
    pub(crate) fn whole(&self) -> Self {
        self.with_root(Chroot::default())
    }

    pub(crate) fn with_root(&self, root: Chroot) -> Self {
        Self {
            root,
            ..self.clone()
        }
    }

    pub(crate) fn seen_from(&self) -> &Chroot {
        &self.root
    }

    pub(crate) fn is_linearizable(&self) -> bool {
        self.linearizable
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.handle.session
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.handle.runtime
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.handle.turns
    }

    /// Asks, within the request timeout if there is one.
    pub(crate) async fn request(&self, op: Op) -> Result<Reply, Error> {
        self.within_request_timeout(self.ask(op)).await
    }

    /// Attempts at a call while the plugin is being compiled.
    pub(crate) fn retry(&self) -> Retry {
        let patience = self.handle.request_timeout;
        let patience = patience.unwrap_or(limits::CALL_PATIENCE);
        Retry::of(ErrorCode::PluginNotReady, patience)
    }

    /// Asks, for as long as it takes.
    pub(crate) async fn ask(&self, op: Op) -> Result<Reply, Error> {
        let session = &self.handle.session;
        if self.resend.is_zero() {
            return self.answer(session.submit(op).await?).await;
        }
        let mut retry = Retry::of(ErrorCode::NotServing, self.resend);
        loop {
            let receipt = session.submit(op.clone()).await?;
            let result = self.answer(receipt).await;
            if !retry.is_due(&result).await {
                return result;
            }
        }
    }

    pub(crate) async fn within_request_timeout(
        &self,
        asked: impl Future<Output = Result<Reply, Error>>,
    ) -> Result<Reply, Error> {
        match self.handle.request_timeout {
            None => asked.await,
            Some(limit) => match tokio::time::timeout(limit, asked).await {
                Ok(reply) => reply,
                Err(_) => Err(Error::Timeout),
            },
        }
    }

    pub(crate) async fn answer(&self, receipt: Receipt) -> Result<Reply, Error> {
        match receipt.await {
            Ok(reply) => reply,
            Err(_) => Err(self.handle.session.ended()),
        }
    }
}

pub(crate) fn unexpected(question: &str, outcome: &Outcome) -> Error {
    Error::Protocol(format!("{question} was answered with {outcome:?}"))
}
