//! The one task of a session: finds a server, keeps the connection alive, finds another one, and
//! knows when to give up. Knows no operation.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quinn::SendStream;
use tokio::time::Instant;
use zareba_wire::Welcome;

use crate::config::Config;
use crate::connection::{DialError, Dialer, Guard, Link, Receiver};
use crate::session::{self, LinkEnd, Session};
use crate::{Error, RetryPolicy, clock, limits};

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Driver {
    session: Arc<Session>,
    config: Config,
    dialer: Dialer,
    search: Search,
    /// When a session that was never let in anywhere is given up.
    patience: Instant,
    last_failure: String,
}

/// Whose turn it is, and how long to wait when everybody has had one.
#[derive(Debug)]
struct Search {
    /// Those of the profile, and behind them those that the ensemble has told of.
    endpoints: Vec<String>,
    turn: usize,
    failures: usize,
    backoff: Duration,
    policy: RetryPolicy,
}

impl Driver {
    /// A driver that begins with a random server, so that clients spread over them.
    pub(crate) fn new(session: Arc<Session>, config: Config, dialer: Dialer) -> Self {
        let endpoints = config.profile.endpoints.clone();
        Self {
            session,
            dialer,
            search: Search {
                turn: rand::random_range(0..endpoints.len().max(1)),
                endpoints,
                failures: 0,
                backoff: config.retry.backoff_min,
                policy: config.retry,
            },
            patience: clock::now() + config.connect_timeout,
            last_failure: "no server was tried".to_owned(),
            config,
        }
    }

    /// Runs until the session is over.
    pub(crate) async fn run(mut self) {
        loop {
            let end = match self.enter().await {
                Ok((link, welcome)) => self.serve(link, &welcome).await,
                Err(end) => end,
            };
            match end {
                // A session that was asked to close and is gone has been closed.
                LinkEnd::Expired if self.session.is_closing() => {
                    return self.session.end(Error::Closed);
                }
                LinkEnd::Expired => return self.session.end(Error::SessionExpired),
                LinkEnd::Closed => return self.session.end(Error::Closed),
                LinkEnd::Failed(error) => return self.session.end(error),
                LinkEnd::Lost(_) if self.session.is_abandoned() || self.session.may_leave() => {
                    return self.session.end(Error::Closed);
                }
                LinkEnd::Lost(reason) => self.last_failure = reason,
            }
            if let Err(end) = self.pause().await {
                return self.session.end(end);
            }
        }
    }

    /// Tries the server whose turn it is.
    async fn enter(&self) -> Result<(Link, Welcome), LinkEnd> {
        let hello = self.session.hello().map_err(LinkEnd::Failed)?;
        let Some(endpoint) = self.search.endpoint() else {
            return Err(LinkEnd::Lost("the profile names no endpoint".to_owned()));
        };
        let attempt = self.dialer.dial(endpoint, hello);
        let patience = self.config.attempt_timeout(self.search.endpoints.len());
        let deadline = self.deadline().min(clock::now() + patience);
        tokio::select! {
            biased;
            entered = tokio::time::timeout_at(deadline, attempt) => match entered {
                Ok(Ok(entered)) => Ok(entered),
                Ok(Err(DialError::Refused(fault))) => Err(session::goodbye(fault)),
                Ok(Err(DialError::Unreachable(reason))) => {
                    Err(LinkEnd::Lost(format!("{endpoint}: {reason}")))
                }
                // An attempt cut short by the end of all patience says less than an earlier one.
                Err(_) if self.search.failures > 0 && clock::now() >= self.deadline() => {
                    Err(LinkEnd::Lost(self.last_failure.clone()))
                }
                Err(_) => Err(LinkEnd::Lost(format!("{endpoint}: no answer in {patience:?}"))),
            },
            () = self.session.abandoned.notified() => Err(LinkEnd::Closed),
        }
    }

    /// Serves over a connection until it ends.
    async fn serve(&mut self, link: Link, welcome: &Welcome) -> LinkEnd {
        let Link {
            send,
            recv,
            mut guard,
            hello_sent,
        } = link;
        tracing::debug!(session = %welcome.session, server = %welcome.server, "attached");
        if let Err(end) = self.session.attached(welcome, hello_sent) {
            return end;
        }
        let began = clock::now();
        let patience = self.config.attempt_timeout(self.search.endpoints.len());
        let session = &*self.session;
        let end = tokio::select! {
            biased;
            end = read(session, recv) => end,
            end = write(session, send) => end,
            end = keep_alive(session, &guard, patience) => end,
            () = guard.refused() => LinkEnd::Lost("nobody listens at the server's address".to_owned()),
            end = abandoned(session) => end,
        };
        tracing::debug!(session = %welcome.session, server = %welcome.server, ?end, "detached");
        self.session.lost();
        if matches!(end, LinkEnd::Lost(_)) {
            guard.lost();
        }
        drop(guard);
        if self.config.follow_members {
            let known = self.session.members();
            self.search.learn(&self.config.profile.endpoints, known);
        }
        if clock::now() - began >= limits::GOOD_LIFE {
            self.search.succeed();
        }
        end
    }

    /// Gives the turn to the next server, after a wait if all have had theirs.
    async fn pause(&mut self) -> Result<(), Error> {
        let wait = self.search.fail();
        let deadline = self.deadline();
        tokio::select! {
            () = tokio::time::sleep_until(deadline.min(clock::now() + wait)) => {}
            () = self.session.abandoned.notified() => return Err(Error::Closed),
        }
        if clock::now() < deadline {
            return Ok(());
        }
        Err(match self.session.expires() {
            Some(expires) if clock::now() >= expires => Error::SessionExpired,
            _ => Error::Unreachable {
                endpoints: self.search.endpoints.join(", "),
                reason: self.last_failure.clone(),
            },
        })
    }

    /// When there is no sense in searching any more.
    fn deadline(&self) -> Instant {
        let give_up = self.config.retry.give_up;
        let give_up = give_up.map(|it| it.min(limits::PATIENCE_MAX));
        if let Some(expires) = self.session.expires() {
            let given_up = give_up.map(|it| self.session.last_heard() + it);
            return given_up.map_or(expires, |given_up| expires.min(given_up));
        }
        // A session of one server holds nothing that could be lost; only a farewell does not wait long.
        let Some(since) = self.session.adrift_since() else {
            return self.patience;
        };
        let patience = match self.session.is_closing() {
            true => Some(self.session.timeout()),
            false => give_up,
        };
        since + patience.unwrap_or(limits::PATIENCE_MAX)
    }
}

impl Drop for Driver {
    /// Nobody may wait for a driver that is gone, as when its runtime shuts down.
    fn drop(&mut self) {
        self.session.end(Error::Closed);
    }
}

impl Search {
    /// Whose turn it is.
    fn endpoint(&self) -> Option<&String> {
        self.endpoints.get(self.turn % self.endpoints.len().max(1))
    }

    /// The members are these; those of the profile are tried in any case, for the ensemble may be
    /// reached there by another name. The turn stays with whose it is.
    fn learn(&mut self, profile: &[String], members: Vec<String>) {
        let current = self.endpoint().cloned();
        self.endpoints = profile.to_vec();
        let new = members.into_iter().filter(|it| !profile.contains(it));
        self.endpoints.extend(new);
        let place = self
            .endpoints
            .iter()
            .position(|it| Some(it) == current.as_ref());
        self.turn = place.unwrap_or_default();
    }

    fn succeed(&mut self) {
        self.failures = 0;
        self.backoff = self.policy.backoff_min;
    }

    /// Moves on. Waits grow by half, so that a server that comes back after some time is found
    /// at most half that time later, and are spread, so that clients do not come in step.
    fn fail(&mut self) -> Duration {
        let count = self.endpoints.len().max(1);
        self.turn = (self.turn + 1) % count;
        self.failures += 1;
        if !self.failures.is_multiple_of(count) {
            return Duration::ZERO;
        }
        let wait = self.backoff.mul_f64(rand::random_range(0.75..1.0));
        self.backoff = self.backoff.mul_f64(1.5).min(self.policy.backoff_max);
        wait
    }
}

async fn read(session: &Session, mut recv: Receiver) -> LinkEnd {
    let mut messages = Vec::new();
    loop {
        if let Err(reason) = recv.receive(&mut messages).await {
            return LinkEnd::Lost(reason);
        }
        if let Err(end) = session.absorb(&mut messages) {
            return end;
        }
    }
}

async fn write(session: &Session, mut send: SendStream) -> LinkEnd {
    let mut batch = BytesMut::new();
    loop {
        match session.next_batch(&mut batch) {
            Ok(true) => {
                if let Err(error) = send.write_chunk(batch.split().freeze()).await {
                    return LinkEnd::Lost(error.to_string());
                }
            }
            Ok(false) => {
                session.outgoing.notified().await;
                if session.is_busy() {
                    // Callers that were woken together get to add their next requests to the batch.
                    tokio::task::yield_now().await;
                }
            }
            Err(end) => return end,
        }
    }
}

/// Pings when nothing that was sent in a third of the timeout is known to have arrived, so that the session
/// lives and is known to live; and, while an answer is owed, when nothing was heard for a little, so that
/// a dead server is found soon. A server of which not one datagram comes after a ping is left long before
/// one that only does not answer: its host or process is gone, while the other may be catching its breath.
/// One that lets a session of its own not become one of the ensemble within `patience` is left too.
async fn keep_alive(session: &Session, guard: &Guard, patience: Duration) -> LinkEnd {
    let began = clock::now();
    let mut probe = limits::PROBE;
    let mut asked = began;
    // What had come when the last ping left; nothing once it is known to have been followed.
    let mut before = None;
    loop {
        let pulse = session.pulse(probe > limits::PROBE);
        let now = clock::now();
        let silence = limits::silence(pulse.timeout);
        // Only what answers counts, or a path that is broken the other way would seem whole. An answer
        // that was long in coming leaves less time to those behind it.
        let mut dead = pulse.answered.max(began) + pulse.timeout * 2 / 3;
        dead = dead.min(pulse.answered + pulse.timeout);
        if let Some(opening) = pulse.opening {
            dead = dead.min(opening + patience);
        }
        if let Some(count) = before {
            if pulse.last_heard > asked || guard.datagrams() != count {
                before = None;
            } else if pulse.pinged {
                dead = dead.min(asked + silence);
            }
        }
        // What was sent since proves nothing before it is answered, and some answers take long.
        let mut due = pulse.answered.max(asked) + pulse.timeout / 3;
        if pulse.owed {
            due = due.min(pulse.last_heard.max(asked) + probe);
        } else {
            probe = limits::PROBE;
        }
        if now >= dead {
            return LinkEnd::Lost("the server has not answered for too long".to_owned());
        }
        if now >= due && before.is_none() {
            before = Some(guard.datagrams());
            asked = now;
            session.ping();
            probe = (probe * 2).min(silence);
            continue;
        }
        let look = if before.is_some() {
            now + limits::PROBE
        } else {
            due
        };
        tokio::select! {
            () = tokio::time::sleep_until(look.min(dead)) => {}
            () = session.owed.notified() => probe = limits::PROBE,
        }
    }
}

/// A client that nobody holds any more has asked for its session's end; it does not wait long.
async fn abandoned(session: &Session) -> LinkEnd {
    session.abandoned.notified().await;
    tokio::time::sleep(limits::FAREWELL).await;
    LinkEnd::Closed
}
