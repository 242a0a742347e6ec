//! A lock in a line of ephemeral sequential nodes. Knows nothing of what it protects.

use std::time::Duration;

use bytes::Bytes;
use zareba_model::{ErrorCode, ZnodePath};

use super::place::{Ahead, Place};
use super::steady;
use crate::{Client, Error, IntoPath};

/// What the nodes in line begin with.
const PREFIX: &str = "lock-";

/// A lock at a path, not held: one holder at a time, in the order of asking. The ZooKeeper paper,
/// section 2.4, "Simple Locks without Herd Effect".
///
/// **Promises.** Of all that ask through any client, one holds it at a time, as far as the servers know,
/// and the next is who has waited longest. Each grant's [token](LockGuard::token) is greater than all
/// earlier ones, for as long as the ensemble lives, also if the lock's node was deleted in between.
///
/// **Does not promise** that a holder knows at once that it is none any more: see the
/// [module](crate::recipes). It is not reentrant: each acquire stands in line, within one session too.
///
/// **Costs.** Taken when free: a create and a list, two round trips. A hand-over: a delete, an event, a
/// list by the next one alone (a list of all who wait, so that thousands of waiters cost bytes).
/// [`Client::lock`](crate::Client::lock) takes one round trip for all of it.
///
/// ```no_run
/// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
/// use zareba_client::recipes::Lock;
///
/// let lock = Lock::new(&client, "/locks/db")?;
/// let guard = lock.acquire().await?;
/// println!("to be checked by the database: {}", guard.token());
/// guard.release().await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Lock {
    client: Client,
    path: ZnodePath,
    prefix: &'static str,
    waits_for: fn(&str) -> bool,
}

/// A lock that is held until it is released or the session ends. Dropping the guard releases the lock
/// too, without waiting for it.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    place: Place,
}

impl Lock {
    /// A lock at a path. Its node and those above it are created when it is first asked for; it has no
    /// other children than those in line.
    pub fn new(client: &Client, path: impl IntoPath) -> Result<Self, Error> {
        Ok(Self::of(client, path.into_path()?, PREFIX, |_| true))
    }

    /// A lock whose nodes begin so, and which waits for those before it that `waits_for` says.
    pub(super) fn of(
        client: &Client,
        path: ZnodePath,
        prefix: &'static str,
        waits_for: fn(&str) -> bool,
    ) -> Self {
        Self {
            client: steady(client),
            path,
            prefix,
            waits_for,
        }
    }

    /// Waits, in line, until the lock is this guard's. Dropping the future leaves the line.
    ///
    /// Errors: [`Error::SessionExpired`] and [`Error::Closed`] when the session ends first;
    /// [`Error::NodeGone`] if somebody deleted the waiting node; a refusal by the access control list.
    pub async fn acquire(&self) -> Result<LockGuard, Error> {
        let place = self.take().await?;
        place.come_first(self.waits_for).await?;
        Ok(LockGuard { place })
    }

    /// Waits for the lock, but not longer than `patience`; nothing if it did not come.
    pub async fn acquire_within(&self, patience: Duration) -> Result<Option<LockGuard>, Error> {
        match tokio::time::timeout(patience, self.acquire()).await {
            Ok(acquired) => acquired.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Takes the lock if nobody holds it or waits for it; nothing if somebody does.
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>, Error> {
        // Usually a look suffices, which writes nothing.
        match self.client.children(&self.path).await {
            Ok(names) if names.iter().any(|name| (self.waits_for)(name)) => return Ok(None),
            Err(error) if !error.is(ErrorCode::NoNode) => return Err(error),
            _ => {}
        }
        let place = self.take().await?;
        match place.ahead(self.waits_for).await? {
            Ahead::Nobody => Ok(Some(LockGuard { place })),
            Ahead::Name(_) => {
                place.leave().await?;
                Ok(None)
            }
        }
    }

    async fn take(&self) -> Result<Place, Error> {
        Place::take(&self.client, &self.path, self.prefix, Bytes::new()).await
    }
}

impl LockGuard {
    /// The fencing token: the transaction that created the holder's node (its czxid), greater than that
    /// of every earlier holder. Give it along with what the lock protects, and let that refuse smaller
    /// ones.
    pub fn token(&self) -> u64 {
        self.place.czxid()
    }

    /// Gives the lock back and returns when it is the next one's. Dropping the future gives it back all
    /// the same.
    ///
    /// Errors: [`Error::NodeGone`] or [`Error::SessionExpired`] if the lock had been lost before.
    pub async fn release(self) -> Result<(), Error> {
        self.place.leave().await
    }

    /// Returns when the lock is lost: its session is over, as far as this client knows, or somebody
    /// deleted its node. Costs a read and a watch.
    pub async fn lost(&self) {
        self.place.lost().await;
    }
}
