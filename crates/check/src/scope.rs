//! How much is explored: how many of each event, from which start, and what is checked. Knows no
//! state.

use zareba_model::{Ensemble, ServerId};
use zareba_zab::Config;

use crate::change::{Change, ensemble_in};

/// Every timer of a server is this long, milliseconds, and none fires before a timeout.
const PATIENCE_MS: u64 = 1_000;

/// How far a timeout moves a server's clock, microseconds.
pub(crate) const TIMEOUT_US: u64 = 2 * PATIENCE_MS * 1_000;

/// The servers' numbers.
pub(crate) const SERVERS: [ServerId; 3] = [ServerId(1), ServerId(2), ServerId(3)];

/// Where exploring begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Start {
    /// Fresh disks, no links, no leader.
    Cold,
    /// A leader is established and all follow it.
    #[default]
    Reign,
}

/// The bounds of one exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Transactions proposed at most.
    pub txns: u8,
    /// Power cuts at most.
    pub crashes: u8,
    /// Links broken at most, those of crashes apart.
    pub breaks: u8,
    /// Timeouts at most.
    pub timeouts: u8,
    /// A change of the ensemble that leaders make, in as many reigns as it takes.
    pub change: Option<Change>,
    /// Entries that a server keeps in memory for others; with few, followers get snapshots.
    pub window: usize,
    /// Where exploring begins.
    pub start: Start,
    /// Epochs opened at most; paths end there. A hasty election may be held again and again.
    pub epochs: u32,
    /// A quorum of votes is enough at once. Otherwise all servers that a looking one has a link to
    /// must agree, or a timeout must pass.
    pub hasty: bool,
    /// A vote that is next on its link arrives in the step that made it so, instead of in one of
    /// its own. Elections, which only hint at a leader, are then explored by when servers hear of
    /// each other, no more by every order of their votes.
    pub prompt_votes: bool,
    /// Whether what a server says and remembers of its disk is compared with its disk, and the
    /// core's own assertions are asked for. Without, only what false words lead to is seen.
    pub checks_claims: bool,
    /// The change is made at once, without the half in which both quorums must agree: another bug,
    /// planted where the core is told what to propose.
    #[cfg(feature = "bugs")]
    pub unjoined: bool,
    /// A bug planted on purpose.
    #[cfg(feature = "bugs")]
    pub bug: Option<zareba_zab::Bug>,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            txns: 1,
            crashes: 1,
            breaks: 0,
            timeouts: 0,
            change: None,
            window: 1_000,
            start: Start::default(),
            epochs: 8,
            hasty: false,
            prompt_votes: true,
            checks_claims: true,
            #[cfg(feature = "bugs")]
            unjoined: false,
            #[cfg(feature = "bugs")]
            bug: None,
        }
    }
}

impl Scope {
    /// The ensemble of that version.
    pub(crate) fn ensemble(&self, version: u64) -> Ensemble {
        let changed = self.change.and_then(|change| change.ensemble(version));
        changed.unwrap_or_else(|| Ensemble::of_voters(SERVERS))
    }

    /// What a leader makes of the ensemble of that version, if it is not the last.
    pub(crate) fn version_after(&self, version: u64) -> u64 {
        #[cfg(feature = "bugs")]
        if self.unjoined {
            return 2.max(version + 1);
        }
        version + 1
    }

    /// How one server takes part.
    pub(crate) fn config(&self, me: ServerId) -> Config {
        let mut config = Config::new(me, []);
        config.ensemble = self.ensemble(0);
        config.ensemble_in = ensemble_in;
        config.heartbeat_ms = PATIENCE_MS;
        config.silence_max_ms = PATIENCE_MS;
        config.join_max_ms = PATIENCE_MS;
        config.vote_repeat_ms = PATIENCE_MS;
        config.settle_ms = if self.hasty { 0 } else { PATIENCE_MS };
        config.tick_gap_max_ms = 2 * PATIENCE_MS;
        config.window_entries = self.window;
        #[cfg(feature = "bugs")]
        {
            config.bug = self.bug;
        }
        config
    }
}
