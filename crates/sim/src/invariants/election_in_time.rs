//! I32: once the faults are over and all servers are up, there is a leader within a number of
//! election timeouts.

use crate::violation::{Violation, hold};

/// How many times as long as a server waits in silence before it looks for another leader.
const TIMEOUTS: u64 = 10;

/// Since when there might have been a leader.
#[derive(Debug, Default)]
pub(crate) struct Election {
    possible_since: Option<u64>,
    over: bool,
}

impl Election {
    /// `up` says that all servers are up and no disk holds one up, `led` that one of them leads a
    /// quorum. A fault that was prepared before may strike late: the time begins anew behind it.
    pub(crate) fn check(
        &mut self,
        now: u64,
        (up, led): (bool, bool),
        silence_us: u64,
    ) -> Result<(), Violation> {
        if led {
            self.over = true;
        }
        if !up {
            self.possible_since = None;
        }
        if !up || self.over {
            return Ok(());
        }
        let waited = now - *self.possible_since.get_or_insert(now);
        hold!(
            waited <= TIMEOUTS * silence_us,
            "election_in_time",
            "there is no leader {waited} us after all servers were up and could talk"
        );
        Ok(())
    }
}
