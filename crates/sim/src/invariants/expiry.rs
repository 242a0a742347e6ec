//! A session ends without its client's will only after nobody has told the leader of it for its
//! whole timeout, within that leader's reign. Time in which the leader stood still does not count.

use std::collections::BTreeMap;

use zareba_model::{Cause, Effect, Relay, SessionId, Txn};
use zareba_tree::Tree;

use crate::violation::{Violation, hold};

/// Whom a follower speaks of.
pub(crate) fn spoken_of(relay: &Relay) -> &[SessionId] {
    match relay {
        Relay::Touch { sessions, .. } => sessions,
        Relay::Forward(forward) => std::slice::from_ref(&forward.session),
        _ => &[],
    }
}

/// What one server, as a leader, was told of sessions, by its own clock.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    reign_began: u64,
    heard: BTreeMap<SessionId, u64>,
}

impl Heard {
    pub(crate) fn reign_begins(&mut self, now: u64) {
        self.reign_began = now;
        self.heard.clear();
    }

    /// This server stood still for so long: whatever was said to it meanwhile it has not heard yet.
    pub(crate) fn stood_still(&mut self, us: u64) {
        self.reign_began += us;
        self.heard.values_mut().for_each(|heard| *heard += us);
    }

    /// These sessions were spoken of in the batch that is over. What came with it may have been
    /// handled behind the tick of the clock that ended a session.
    pub(crate) fn hear(&mut self, sessions: Vec<SessionId>, now: u64) {
        let heard = sessions.into_iter().map(|session| (session, now));
        self.heard.extend(heard);
    }

    /// This leader proposes a transaction.
    pub(crate) fn proposes(&self, tree: &Tree, txn: &Txn, now: u64) -> Result<(), Violation> {
        if txn.cause != Cause::System {
            return Ok(());
        }
        for effect in &txn.effects {
            let Effect::CloseSession { session } = effect else {
                continue;
            };
            // One whose opening nobody has delivered yet has been open for no time at all, but
            // its timeout is not known here.
            let Some(record) = tree.session(*session) else {
                continue;
            };
            let heard = self.heard.get(session).map_or(0, |heard| *heard);
            let silent = now.saturating_sub(heard.max(self.reign_began));
            hold!(
                silent >= u64::from(record.timeout_ms) * 1_000,
                "expiry",
                "session {session} is ended after {silent} us of silence; its timeout is {} ms",
                record.timeout_ms
            );
        }
        Ok(())
    }
}
