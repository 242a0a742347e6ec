//! A lock of the standard lock plugin, with a guard. Knows the plugin's operations and nothing of
//! how it keeps its order.
//!
//! To the plugin a lock belongs to a session, which may take it twice. To this library it belongs
//! to a guard: tasks that share a session wait for each other here before they ask the plugin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use zareba_model::{ErrorCode, Op, ZnodePath};

use crate::client::{called, from_json, to_json};
use crate::session::{Receipt, Status};
use crate::{Client, Error, IntoPath};

/// The plugin's own fault: the lock is held by another session.
const HELD: ErrorCode = ErrorCode::Plugin(1);

/// A lock by name, not held.
#[derive(Clone, Debug)]
pub struct Lock {
    client: Client,
    mount: ZnodePath,
    name: String,
}

/// A lock that is held until it is released or the session ends.
///
/// Dropping the guard releases the lock too, without waiting for it.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    lock: Lock,
    token: u64,
    released: bool,
    /// Invariant: given up only after the release has been handed in, which the server therefore
    /// sees before the next acquire of this session.
    _turn: OwnedMutexGuard<()>,
}

/// Whose turn it is among the tasks that share a session, lock by lock.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    by_lock: Mutex<BTreeMap<(ZnodePath, String), Turn>>,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Turns {
    fn of(&self, lock: &Lock) -> Turn {
        let mut by_lock = self.by_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (lock.mount.clone(), lock.name.clone());
        if !by_lock.contains_key(&key) {
            // Names that nobody uses any more are forgotten when a new one comes.
            by_lock.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(by_lock.entry(key).or_default())
    }
}

#[derive(Serialize)]
struct Acquire<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Deserialize)]
struct Acquired {
    token: u64,
}

impl Client {
    /// A lock of the plugin mounted at a path. Any name makes a lock.
    pub fn lock(&self, mount: impl IntoPath, name: impl Into<String>) -> Result<Lock, Error> {
        Ok(Lock {
            client: self.clone(),
            mount: mount.into_path()?,
            name: name.into(),
        })
    }
}

impl Lock {
    /// Waits, in line, until the lock is this guard's. Dropping the future gives up: should the
    /// lock come all the same, it is released at once.
    pub async fn acquire(&self) -> Result<LockGuard, Error> {
        let turn = self.client.turns().of(self).lock_owned().await;
        self.ask(turn, "acquire", &self.wish(None)).await
    }

    /// Waits for the lock, but not longer than `patience`; nothing if it did not come.
    pub async fn acquire_within(&self, patience: Duration) -> Result<Option<LockGuard>, Error> {
        let turn = self.client.turns().of(self).lock_owned();
        let Ok(turn) = tokio::time::timeout(patience, turn).await else {
            return Ok(None);
        };
        let wish = self.wish(Some(patience));
        unless(
            ErrorCode::OperationTimeout,
            self.ask(turn, "acquire", &wish).await,
        )
    }

    /// Takes the lock if nobody holds it; nothing if somebody does.
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>, Error> {
        let Ok(turn) = self.client.turns().of(self).try_lock_owned() else {
            return Ok(None);
        };
        unless(
            HELD,
            self.ask(turn, "try", &Name { name: &self.name }).await,
        )
    }

    async fn ask(
        &self,
        turn: OwnedMutexGuard<()>,
        op: &str,
        input: &impl Serialize,
    ) -> Result<LockGuard, Error> {
        let receipt = self
            .client
            .session()
            .submit(self.op(op, to_json(input)?))
            .await?;
        let mut asked = Asked {
            lock: self,
            waiting: Some((receipt, turn)),
        };
        let answered = match &mut asked.waiting {
            Some((receipt, _)) => receipt.await,
            None => return Err(Error::Closed),
        };
        let Some((_, turn)) = asked.waiting.take() else {
            return Err(Error::Closed);
        };
        let reply = answered.map_err(|_| self.client.session().ended())??;
        self.guard(turn, &called(reply.outcome)?)
    }

    fn guard(&self, turn: OwnedMutexGuard<()>, output: &[u8]) -> Result<LockGuard, Error> {
        let Acquired { token } = from_json(output)?;
        Ok(LockGuard {
            lock: self.clone(),
            token,
            released: false,
            _turn: turn,
        })
    }

    fn wish(&self, patience: Option<Duration>) -> Acquire<'_> {
        let milliseconds = |patience: Duration| u64::try_from(patience.as_millis());
        Acquire {
            name: &self.name,
            timeout_ms: patience.map(|patience| milliseconds(patience).unwrap_or(u64::MAX)),
        }
    }

    fn op(&self, op: &str, input: Bytes) -> Op {
        Op::Call {
            mount: self.mount.clone(),
            op: op.to_owned(),
            input,
        }
    }

    fn release(&self) -> Result<Op, Error> {
        Ok(self.op("release", to_json(&Name { name: &self.name })?))
    }
}

/// One code is no error but a no.
fn unless(code: ErrorCode, result: Result<LockGuard, Error>) -> Result<Option<LockGuard>, Error> {
    match result {
        Err(error) if error.is(code) => Ok(None),
        result => result.map(Some),
    }
}

/// A call for a lock. A lock that is granted after its caller has gone would stay held for as
/// long as the session lives.
struct Asked<'a> {
    lock: &'a Lock,
    waiting: Option<(Receipt, OwnedMutexGuard<()>)>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let Some((receipt, turn)) = self.waiting.take() else {
            return;
        };
        let lock = self.lock.clone();
        self.lock.client.runtime().spawn(async move {
            if let Ok(reply) = lock.client.answer(receipt).await
                && let Ok(output) = called(reply.outcome)
            {
                drop(lock.guard(turn, &output));
            }
        });
    }
}

impl LockGuard {
    /// The fencing token: greater than that of every earlier holder. Give it along with what the
    /// lock protects, so that a holder who does not know yet that it is none any more is refused.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Gives the lock back and returns when it is the next one's.
    pub async fn release(mut self) -> Result<(), Error> {
        let release = self.lock.release()?;
        self.released = true;
        let client = &self.lock.client;
        let receipt = client.session().submit_at_once(release)?;
        called(client.answer(receipt).await?.outcome).map(drop)
    }

    /// Returns when the lock is lost because its session is over.
    pub async fn lost(&self) {
        let mut status = self.lock.client.status();
        let over = |status: &Status| matches!(status, Status::Expired | Status::Closed);
        let _session_gone = status.wait_for(over).await;
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if !self.released
            && let Ok(release) = self.lock.release()
        {
            // An ended session holds no lock.
            let _ended = self.lock.client.session().submit_at_once(release);
        }
    }
}
