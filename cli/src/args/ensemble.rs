//! Words of `zareba ensemble`. Knows nothing of what they do.

use std::time::Duration;

use clap::Subcommand;

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

/// Reads 30s, 10m, 2h, 1d or "1h 30m"; nothing is no duration.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = "a time with its unit is expected, such as 30s, 10m or 2h";
    let read = humantime::parse_duration(text).map_err(|error| format!("{error}; {expected}"))?;
    if read.is_zero() {
        return Err(format!("it is over at once; {expected}"));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text| duration(text).map(|read| read.as_secs());
        for (text, expected) in [
            ("30s", 30),
            ("10m", 600),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1h 30m", 5_400),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "10", "m", "0s", "-1s", "10 fortnights"] {
            assert!(seconds(text).unwrap_err().contains("such as 30s"), "{text}");
        }
    }
}
