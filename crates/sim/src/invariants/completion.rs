//! I34: once the faults are over, every request is answered, and every session that no client holds
//! ends.

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
