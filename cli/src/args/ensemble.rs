//! Words of `zareba ensemble`. Knows nothing of what they do.

use std::time::Duration;

use clap::Subcommand;

use super::duration::duration;

/// `zareba ensemble`.
#[derive(Debug, Subcommand)]
pub(crate) enum EnsembleCommand {
    /// Show every member: its role, where it is, whether it is up and how far behind.
    Status,
    /// Make a token with which one new server can join, and print it. It is a secret.
    Add {
        /// How long the token can be used, as 30s, 10m, 2h or "1h 30m".
        #[arg(long, default_value = "10m", value_parser = duration)]
        ttl: Duration,
        /// Make the server a voter as soon as it is level; this is the default.
        #[arg(long, conflicts_with = "observer")]
        voter: bool,
        /// Leave it an observer: it serves reads and counts in no quorum.
        #[arg(long)]
        observer: bool,
    },
    /// Remove a member; returns when the change is settled. Its process then stops by itself.
    Remove {
        /// Its number.
        server: u64,
    },
    /// Make a voter of an observer that is level.
    Promote {
        /// Its number.
        server: u64,
        /// How much its word counts.
        #[arg(long, default_value_t = 1)]
        weight: u32,
        /// With whom its weight is summed up.
        #[arg(long, default_value_t = 0)]
        group: u32,
    },
    /// Make an observer of a voter.
    Demote {
        /// Its number.
        server: u64,
    },
    /// Let an observer that is level take a voter's place, who leaves.
    Replace {
        /// The voter.
        old: u64,
        /// The observer.
        new: u64,
    },
    /// Change where a member is reached; restart it with its new configuration afterwards.
    Move {
        /// Its number.
        server: u64,
        /// Where other servers reach it from now on.
        #[arg(long, value_name = "HOST:PORT")]
        peer_address: String,
        /// Where clients reach it from now on.
        #[arg(long, value_name = "HOST:PORT")]
        client_address: String,
    },
}
