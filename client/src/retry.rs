//! Trying again what the servers were not ready for: how often and how long. Knows no request.

use std::time::Duration;

use tokio::time::Instant;
use zareba_model::ErrorCode;

use crate::{Error, clock, limits};

/// Attempts at one thing, further and further apart until there is no sense in more.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    wait: Duration,
}

impl Retry {
    /// Attempts within `patience`.
    pub(crate) fn within(patience: Duration) -> Self {
        Self {
            deadline: clock::now() + patience,
            wait: limits::RETRY_MIN,
        }
    }

    /// Returns true, after a wait, if a result says that a plugin is still being compiled and
    /// there is time for another attempt. A call so refused had no effect.
    pub(crate) async fn is_due<T>(&mut self, result: &Result<T, Error>) -> bool {
        let not_ready = |error: &Error| error.is(ErrorCode::PluginNotReady);
        let next = clock::now() + self.wait;
        if !result.as_ref().is_err_and(not_ready) || next >= self.deadline {
            return false;
        }
        tokio::time::sleep_until(next).await;
        self.wait = (self.wait * 2).min(limits::RETRY_MAX);
        true
    }
}
