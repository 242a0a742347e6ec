//! The standard lock plugin's lock for threads. Knows nothing of the plugin.

use std::sync::Arc;
use std::time::Duration;

use super::runtime::Home;
use crate::Error;

/// A lock by name, not held; see [`crate::Lock`].
#[derive(Clone, Debug)]
pub struct Lock {
    home: Arc<Home>,
    inner: crate::Lock,
}

/// A lock that is held until it is released or the session ends; see [`crate::LockGuard`]. Dropping
/// the guard releases the lock too, without waiting for it.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    home: Arc<Home>,
    inner: crate::LockGuard,
}

impl Lock {
    pub(super) fn new(home: &Arc<Home>, inner: crate::Lock) -> Self {
        Self {
            home: Arc::clone(home),
            inner,
        }
    }

    /// Waits, in line, until the lock is this guard's.
    pub fn acquire(&self) -> Result<LockGuard, Error> {
        let guard = self.home.block_on(self.inner.acquire())??;
        Ok(self.guard(guard))
    }

    /// Waits for the lock, but not longer than `patience`; nothing if it did not come.
    pub fn acquire_within(&self, patience: Duration) -> Result<Option<LockGuard>, Error> {
        let acquire = self.inner.acquire_within(patience);
        let guard = self.home.block_on(acquire)??;
        Ok(guard.map(|guard| self.guard(guard)))
    }

    /// Takes the lock if nobody holds it; nothing if somebody does.
    pub fn try_acquire(&self) -> Result<Option<LockGuard>, Error> {
        let guard = self.home.block_on(self.inner.try_acquire())??;
        Ok(guard.map(|guard| self.guard(guard)))
    }

    fn guard(&self, inner: crate::LockGuard) -> LockGuard {
        LockGuard {
            home: Arc::clone(&self.home),
            inner,
        }
    }
}

impl LockGuard {
    /// The fencing token: greater than that of every earlier holder.
    pub fn token(&self) -> u64 {
        self.inner.token()
    }

    /// Gives the lock back and returns when it is the next one's.
    pub fn release(self) -> Result<(), Error> {
        self.home.block_on(self.inner.release())?
    }

    /// Waits until the lock is lost, but not longer than `patience`; true if it is.
    pub fn is_lost_within(&self, patience: Duration) -> Result<bool, Error> {
        let lost = async { tokio::time::timeout(patience, self.inner.lost()).await };
        Ok(self.home.block_on(lost)?.is_ok())
    }
}
