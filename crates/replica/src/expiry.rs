//! The leader's session clock: who was heard of when, and whose time is over.
//!
//! Only the leader has one. It is made anew with every reign, so that a stalled or new leader
//! never counts time in which nobody could have been heard. Knows monotonic time only.

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::SessionId;
use zareba_zab::Now;

/// When each session ends unless it is heard of again.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    sessions: BTreeMap<SessionId, Clock>,
    due: BTreeSet<(Now, SessionId)>,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    timeout_ms: u32,
    /// The place in `due`; may be earlier than the truth, and is put right when it comes up.
    listed: Now,
    ends: Now,
}

impl Expiry {
    /// A session begins, or this leader's reign does.
    pub(crate) fn start(&mut self, session: SessionId, timeout_ms: u32, now: Now) {
        self.stop(session);
        let ends = now.after_ms(u64::from(timeout_ms));
        self.sessions.insert(
            session,
            Clock {
                timeout_ms,
                listed: ends,
                ends,
            },
        );
        self.due.insert((ends, session));
    }

    /// A session was heard of.
    pub(crate) fn touch(&mut self, session: SessionId, now: Now) {
        if let Some(clock) = self.sessions.get_mut(&session) {
            clock.ends = clock.ends.max(now.after_ms(u64::from(clock.timeout_ms)));
        }
    }

    /// This leader has stood still for so long, microseconds: what was said to it meanwhile still
    /// waits, so that time counts for nobody.
    pub(crate) fn forgive(&mut self, us: u64) {
        for clock in self.sessions.values_mut() {
            clock.ends = Now(clock.ends.0.saturating_add(us));
        }
    }

    /// A session is over.
    pub(crate) fn stop(&mut self, session: SessionId) {
        if let Some(clock) = self.sessions.remove(&session) {
            self.due.remove(&(clock.listed, session));
        }
    }

    /// A session whose time is over. It is asked for again later if it is still here.
    pub(crate) fn next_expired(&mut self, now: Now) -> Option<SessionId> {
        loop {
            let (listed, session) = *self.due.first()?;
            if listed > now {
                return None;
            }
            self.due.remove(&(listed, session));
            let clock = self.sessions.get_mut(&session)?;
            if clock.ends > now {
                clock.listed = clock.ends;
                self.due.insert((clock.listed, session));
                continue;
            }
            clock.listed = now.after_ms(u64::from(clock.timeout_ms));
            clock.ends = clock.listed;
            self.due.insert((clock.listed, session));
            return Some(session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: SessionId = SessionId(7);

    #[test]
    fn a_session_expires_after_its_timeout_without_a_touch() {
        let mut expiry = Expiry::default();
        expiry.start(S, 1_000, Now(0));
        assert_eq!(expiry.next_expired(Now(999_999)), None);
        assert_eq!(expiry.next_expired(Now(1_000_000)), Some(S));
    }

    #[test]
    fn a_touch_moves_the_end() {
        let mut expiry = Expiry::default();
        expiry.start(S, 1_000, Now(0));
        expiry.touch(S, Now(900_000));
        assert_eq!(expiry.next_expired(Now(1_800_000)), None);
        assert_eq!(expiry.next_expired(Now(1_900_000)), Some(S));
    }

    #[test]
    fn time_in_which_the_leader_stood_still_counts_for_nobody() {
        let mut expiry = Expiry::default();
        expiry.start(S, 1_000, Now(0));
        expiry.forgive(5_000_000);
        assert_eq!(expiry.next_expired(Now(5_999_999)), None);
        assert_eq!(expiry.next_expired(Now(6_000_000)), Some(S));
    }

    #[test]
    fn a_stopped_session_never_expires() {
        let mut expiry = Expiry::default();
        expiry.start(S, 1_000, Now(0));
        expiry.stop(S);
        expiry.touch(S, Now(1));
        assert_eq!(expiry.next_expired(Now(u64::MAX)), None);
    }
}
