//! Watches that a thread waits for. Knows no connection.

use std::sync::Arc;
use std::time::Duration;

use zareba_model::Event;

use super::runtime::Home;
use crate::Error;

/// The one event of a one-time watch: waited for with or without a time limit, or as an iterator of
/// one item, which blocks until it is there.
///
/// It stays in force when the session moves to another server; what happened meanwhile is told.
/// Dropping it takes it back.
#[derive(Debug)]
#[must_use = "a watch tells its event only to who waits for it"]
pub struct Watch {
    home: Arc<Home>,
    inner: Option<crate::Watch>,
}

impl Watch {
    pub(super) fn new(home: &Arc<Home>, inner: crate::Watch) -> Self {
        Self {
            home: Arc::clone(home),
            inner: Some(inner),
        }
    }

    /// Waits for the event.
    ///
    /// Errors: [`Error::WatchLost`], or why the session is over; [`Error::Closed`] if the event was told
    /// before.
    pub fn wait(mut self) -> Result<Event, Error> {
        self.next().unwrap_or(Err(Error::Closed))
    }

    /// Waits for the event, but not longer than `patience`: nothing if it did not come, and it can be
    /// waited for again then. Errors are those of [`wait`](Self::wait).
    pub fn next_within(&mut self, patience: Duration) -> Result<Option<Event>, Error> {
        let Some(watch) = &mut self.inner else {
            return Err(Error::Closed);
        };
        let waited = self
            .home
            .block_on(async { tokio::time::timeout(patience, watch).await })?;
        let Ok(event) = waited else {
            return Ok(None);
        };
        self.inner = None;
        event.map(Some)
    }
}

impl Iterator for Watch {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let watch = self.inner.as_mut()?;
        let event = self.home.block_on(watch).and_then(|event| event);
        self.inner = None;
        Some(event)
    }
}

/// The events of a watch that stays, as an iterator that blocks until the next one is there, or with a time
/// limit; see [`crate::WatchStream`].
///
/// The last item is why there will be no more. Dropping it takes the watch back.
#[derive(Debug)]
#[must_use = "a watch tells its events only to who reads them"]
pub struct WatchStream {
    home: Arc<Home>,
    inner: crate::WatchStream,
}

impl WatchStream {
    pub(super) fn new(home: &Arc<Home>, inner: crate::WatchStream) -> Self {
        Self {
            home: Arc::clone(home),
            inner,
        }
    }

    /// Waits for the next event, but not longer than `patience`: nothing if none came, and it can be waited
    /// for again then.
    ///
    /// Errors: why there will be no more; [`Error::Closed`] if that was told before.
    pub fn next_within(&mut self, patience: Duration) -> Result<Option<Event>, Error> {
        let next = self.inner.next();
        let waited = self
            .home
            .block_on(async { tokio::time::timeout(patience, next).await })?;
        match waited {
            Ok(Some(event)) => event.map(Some),
            Ok(None) => Err(Error::Closed),
            Err(_) => Ok(None),
        }
    }
}

impl Iterator for WatchStream {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.home.block_on(self.inner.next());
        next.unwrap_or_else(|inside_a_task| Some(Err(inside_a_task)))
    }
}
