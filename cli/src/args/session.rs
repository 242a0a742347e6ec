//! Words of `zareba session`. Knows nothing of what they do.

use clap::Subcommand;
use zareba_client::model::SessionId;

/// `zareba session`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List the ensemble's sessions, the oldest first. Local ones are known to their servers only.
    List {
        /// Only those that this server holds, by its number.
        #[arg(long, value_name = "N")]
        server: Option<u64>,
    },
    /// End sessions: their ephemeral nodes and locks go, and their clients are told that they have expired.
    Close {
        /// Their names, as `zareba session list` prints them.
        #[arg(required = true, value_name = "ID", value_parser = session_id)]
        sessions: Vec<SessionId>,
    },
}

/// Reads a session's name, a hexadecimal number.
pub(super) fn session_id(text: &str) -> Result<SessionId, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_hex = !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    let id = u64::from_str_radix(digits, 16).ok().filter(|_| is_hex);
    id.map(SessionId).ok_or_else(|| {
        "a session's name is expected, a hexadecimal number as `zareba session list` prints it"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_named_by_hexadecimal_numbers() {
        for text in ["1a0000002b", "0x1a0000002b", "0000001A0000002B"] {
            assert_eq!(session_id(text), Ok(SessionId(0x1a_0000_002b)), "{text}");
        }
        for text in ["", "0x", "+1", "g", "11111111111111111"] {
            let error = session_id(text).unwrap_err();
            assert!(error.contains("zareba session list"), "{text}");
        }
    }
}
