//! Waiting for a condition, with a deadline. Must never wait for time alone.

use std::time::Duration;

use tokio::time::Instant;

/// Longest wait for anything that a healthy ensemble does soon, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Looks again and again until there is something to return; `what` names it should it not come.
pub async fn until<T>(what: &str, mut glance: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = glance().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain until {what}"
        );
        tokio::time::sleep(GLANCE).await;
    }
}

/// Awaits `future`, which must end in time; `what` names it should it not.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}
