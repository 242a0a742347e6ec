//! A client knows of its session's end before anybody can have what the session held: by the servers'
//! own words it may take the session for alive no longer than for the timeout behind what they have
//! surely heard, and no session is ended for silence before that.

use std::collections::VecDeque;

use zareba_model::SessionId;

use crate::violation::{Violation, hold};

/// Servers' clocks run a tenth fast at most, and timeouts are counted by them; in percent, and one more
/// for what is rounded.
const FASTEST_CLOCK: u64 = 111;

/// What one client knows of its session's time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lease {
    /// Messages said over the present connection that may count, oldest first: the how-manieth, and when.
    said: VecDeque<(u64, u64)>,
    count: u64,
    /// The servers have surely heard of the client since then.
    proved: u64,
}

impl Lease {
    /// A server has said welcome over a connection that has carried nothing but a hello, said then.
    pub(crate) fn enters(&mut self, said: u64) {
        self.said.clear();
        self.count = 0;
        self.proves(said);
    }

    /// The servers have heard of the client at that moment or later.
    pub(crate) fn proves(&mut self, said: u64) {
        self.proved = self.proved.max(said);
    }

    /// A request or a ping leaves.
    pub(crate) fn says(&mut self, now: u64) {
        self.count += 1;
        self.said.push_back((self.count, now));
    }

    /// A server says that the leader has heard so many of them.
    pub(crate) fn renewed(&mut self, heard: u64) -> Result<(), Violation> {
        hold!(
            heard <= self.count,
            "leases",
            "{heard} messages were heard of {} that were said",
            self.count
        );
        while let Some((_, said)) = self.said.pop_front_if(|(place, _)| *place <= heard) {
            self.proves(said);
        }
        Ok(())
    }

    /// The session is ended for its client's silence, which nobody has asked for.
    pub(crate) fn ends(
        &self,
        session: SessionId,
        timeout_us: u64,
        now: u64,
    ) -> Result<(), Violation> {
        let lives_until = self.proved + timeout_us * 100 / FASTEST_CLOCK;
        hold!(
            now >= lives_until,
            "leases",
            "session {session} is ended {} us before its client may know",
            lives_until - now
        );
        Ok(())
    }
}
