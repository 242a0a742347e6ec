//! I34: once the faults are over, every request is answered, every session that no client holds
//! ends, and a change of the ensemble that has begun is settled.

use super::Missing;
use crate::client::Client;

const NAME: &str = "completion";

/// What is still missing.
pub(crate) fn check(missing: &mut Missing, clients: &[Client], sessions: usize) {
    for (place, client) in clients.iter().enumerate() {
        missing.unless(client.is_over(), NAME, || {
            format!("client {place} is not done: {}", client.waits_for())
        });
    }
    missing.unless(sessions == 0, NAME, || {
        format!("{sessions} sessions live on")
    });
}

/// The same for a change of the ensemble.
pub(crate) fn of_change(missing: &mut Missing, is_settled: bool) {
    missing.unless(is_settled, NAME, || {
        "a change of the ensemble is not settled".to_owned()
    });
}
