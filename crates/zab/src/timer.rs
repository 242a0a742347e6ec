//! Everything that happens because time has passed, and when. Knows no clock.

use crate::config::Config;
use crate::input::Now;

/// One reason to act at a certain moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Looking: say the vote again, since the last time.
    VoteRepeat,
    /// Looking: a quorum agrees; no better vote has come since.
    Settle,
    /// Leading: ping, since the last ping.
    Heartbeat,
    /// Leading, following: the other side has been silent since it was last heard. A follower
    /// that knocks waits as long for its first answer.
    Silence,
    /// Leading, following: discovery and synchronization have taken too long since their start.
    Join,
}

impl Timer {
    /// True if it has fired at `now`, having been set at `since`.
    pub(crate) fn fired(self, config: &Config, since: Now, now: Now) -> bool {
        let ms = match self {
            Self::VoteRepeat => config.vote_repeat_ms,
            Self::Settle => config.settle_ms,
            Self::Heartbeat => config.heartbeat_ms,
            Self::Silence => config.silence_max_ms,
            Self::Join => config.join_max_ms,
        };
        now >= since.after_ms(ms)
    }
}
