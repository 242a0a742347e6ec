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
use tokio::task::JoinHandle;
use zareba_model::{ErrorCode, Op, ZnodePath};

use crate::call::{called, from_json, to_json};
use crate::pending::Reply;
use crate::session::{Receipt, Status};
use crate::{Client, Error, IntoPath, clock};

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
    /// There until the release is handed in, and passed on only after it was answered: the plugin
    /// sees it before the next acquire of this session.
    turn: Option<OwnedMutexGuard<()>>,
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
            mount: self.absolute(mount)?,
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
        let deadline = clock::now() + patience;
        let turn = self.client.turns().of(self).lock_owned();
        let Ok(turn) = tokio::time::timeout_at(deadline, turn).await else {
            return Ok(None);
        };
        let left = deadline.saturating_duration_since(clock::now());
        let wish = self.wish(Some(left));
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
        let input = to_json(input)?;
        let mut asked = Asked {
            lock: self,
            turn: Some(turn),
            receipt: None,
        };
        let mut retry = self.client.retry();
        let reply = loop {
            let result = asked.once(self.op(op, input.clone())).await;
            if !retry.is_due(&result).await {
                break result?;
            }
        };
        self.guard(asked.turn.take(), &called(reply.outcome)?)
    }

    /// Goes on with a release that has been handed in until a server has seen to it.
    async fn released(&self, mut receipt: Receipt) -> Result<(), Error> {
        let client = &self.client;
        let mut retry = client.retry();
        loop {
            let result = client.answer(receipt).await;
            if !retry.is_due(&result).await {
                return called(result?.outcome).map(drop);
            }
            receipt = client.session().submit_at_once(self.release()?)?;
        }
    }

    fn guard(&self, turn: Option<OwnedMutexGuard<()>>, output: &[u8]) -> Result<LockGuard, Error> {
        let Acquired { token } = from_json(output)?;
        Ok(LockGuard {
            lock: self.clone(),
            token,
            turn,
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
    turn: Option<OwnedMutexGuard<()>>,
    receipt: Option<Receipt>,
}

impl Asked<'_> {
    async fn once(&mut self, call: Op) -> Result<Reply, Error> {
        let session = self.lock.client.session();
        let receipt = self.receipt.insert(session.submit(call).await?);
        let answered = receipt.await;
        self.receipt = None;
        answered.unwrap_or_else(|_| Err(session.ended()))
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let Some(receipt) = self.receipt.take() else {
            return;
        };
        let lock = self.lock.clone();
        let turn = self.turn.take();
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

    /// Gives the lock back and returns when it is the next one's. Dropping the future gives it
    /// back all the same.
    pub async fn release(mut self) -> Result<(), Error> {
        let task = self.hand_back()?;
        match task.await {
            Ok(released) => released,
            Err(_) => Err(Error::Closed),
        }
    }

    /// Hands the release in now. The turn is kept until it is done, whoever waits for that.
    fn hand_back(&mut self) -> Result<JoinHandle<Result<(), Error>>, Error> {
        let turn = self.turn.take();
        let lock = self.lock.clone();
        let receipt = lock.client.session().submit_at_once(lock.release()?)?;
        let runtime = self.lock.client.runtime();
        Ok(runtime.spawn(async move {
            let released = lock.released(receipt).await;
            drop(turn);
            released
        }))
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
        if self.turn.is_some() {
            // An ended session holds no lock.
            let _ended = self.hand_back();
        }
    }
}
