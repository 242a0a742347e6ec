//! Patience: how often and how long something is tried again. Knows no request.

use std::time::Duration;

use tokio::time::Instant;
use zareba_model::ErrorCode;

use crate::{Error, clock, limits};

/// What a client does when its connection breaks or a server cannot serve.
///
/// When a **connection is lost**, the client goes from server to server. After each round through all
/// of them it waits: [`backoff_min`](Self::backoff_min) at first, then half as long again each time, up
/// to [`backoff_max`](Self::backoff_max), each wait shortened by a random quarter at most, so that
/// clients do not come in step. Requests wait meanwhile; at the next server they are sent again in
/// their order, under their numbers, so that each is executed once however often it was sent.
///
/// The search ends with [`Error::SessionExpired`] when no server was heard of for the session's
/// timeout, or before that, with [`Error::Unreachable`], after [`give_up`](Self::give_up).
///
/// A request that a **leader without an office** refused ([`ErrorCode::NotServing`]) had no effect. It
/// is the caller's to repeat, because requests that were made after it may be executed before it
/// then; whoever does not pipeline lets the client repeat it for [`resend`](Self::resend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// First wait after every server has been tried. At least 1 ms; 20 ms by default.
    pub backoff_min: Duration,
    /// Longest wait after every server has been tried. At least `backoff_min`; 1 s by default.
    pub backoff_max: Duration,
    /// How long after the last word of any server the search goes on, if that is less than the
    /// session's timeout. The servers keep the session until its timeout all the same. `None`, the
    /// default, for as long as the session may live.
    pub give_up: Option<Duration>,
    /// How long a request refused with [`ErrorCode::NotServing`] is sent again, behind those made
    /// meanwhile; zero, the default, for never. See also [`Client::resending`](crate::Client::resending).
    pub resend: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            backoff_min: limits::BACKOFF_MIN,
            backoff_max: limits::BACKOFF_MAX,
            give_up: None,
            resend: Duration::ZERO,
        }
    }
}

impl RetryPolicy {
    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self {
            backoff_min,
            backoff_max,
            ..
        } = self;
        if *backoff_min >= Duration::from_millis(1) && backoff_max >= backoff_min {
            return Ok(());
        }
        Err(Error::Configuration(format!(
            "a back-off begins with 1 ms or more and does not shrink, but {backoff_min:?} to \
             {backoff_max:?} was asked for"
        )))
    }
}

/// Attempts at one thing, further and further apart until there is no sense in more.
#[derive(Debug)]
pub(crate) struct Retry {
    code: ErrorCode,
    deadline: Instant,
    wait: Duration,
}

impl Retry {
    /// Attempts within `patience` at what is refused with this code, which must say that it had no
    /// effect.
    pub(crate) fn of(code: ErrorCode, patience: Duration) -> Self {
        Self {
            code,
            deadline: clock::now() + patience.min(limits::PATIENCE_MAX),
            wait: limits::RETRY_MIN,
        }
    }

    /// Returns true, after a wait, if a result is the refusal and there is time for another attempt.
    pub(crate) async fn is_due<T>(&mut self, result: &Result<T, Error>) -> bool {
        let refused = |error: &Error| error.is(self.code);
        let next = clock::now() + self.wait;
        if !result.as_ref().is_err_and(refused) || next >= self.deadline {
            return false;
        }
        tokio::time::sleep_until(next).await;
        self.wait = (self.wait * 2).min(limits::RETRY_MAX);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_that_makes_no_sense_is_refused() {
        let default = RetryPolicy::default();
        assert_eq!(default.check(), Ok(()));
        for (min, max) in [(0, 5), (9, 8)] {
            let policy = RetryPolicy {
                backoff_min: Duration::from_millis(min),
                backoff_max: Duration::from_millis(max),
                ..default
            };
            assert!(matches!(policy.check(), Err(Error::Configuration(_))));
        }
    }
}
