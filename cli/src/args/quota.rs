//! Words of `zareba quota`. Knows nothing of what they do.

use clap::{Args, Subcommand};
use zareba_client::model::ZnodePath;

/// `zareba quota`.
#[derive(Debug, Subcommand)]
pub(crate) enum QuotaCommand {
    /// Print a node's own limits, and how much it and all below it hold.
    Get {
        /// The node.
        path: ZnodePath,
    },
    /// Limit how much a node and all below it may hold, in place of all that limited it before.
    ///
    /// Beyond a soft limit the ensemble warns in its log; a change beyond a hard one is refused. Less is
    /// always allowed, even if it is still too much.
    Set(QuotaSet),
    /// Take a node's limits away.
    Rm {
        /// The node.
        path: ZnodePath,
    },
    /// List all limits, with what is used of them.
    List,
}

/// `zareba quota set`.
#[derive(Debug, Args)]
pub(crate) struct QuotaSet {
    /// The node.
    pub(crate) path: ZnodePath,
    #[command(flatten)]
    pub(crate) limits: QuotaLimits,
}

/// What is limited; at least one is.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct QuotaLimits {
    /// Warn beyond so many nodes.
    #[arg(long, value_name = "N")]
    pub(crate) nodes_soft: Option<u64>,
    /// Refuse more nodes than that.
    #[arg(long, value_name = "N")]
    pub(crate) nodes_hard: Option<u64>,
    /// Warn beyond so many bytes of data, as 5000, 64KiB, 10MiB or 1GiB.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) bytes_soft: Option<u64>,
    /// Refuse more bytes than that.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) bytes_hard: Option<u64>,
}

/// Units of sizes, and what a number is shifted by for them.
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// Reads a number of bytes, with a unit or none.
fn bytes(text: &str) -> Result<u64, String> {
    let with_unit = UNITS
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (number, shift) = with_unit.unwrap_or((text, 0));
    let number = number.trim_end().parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "a number of bytes is expected, such as 5000, 64KiB or 10MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_none() {
        for (text, expected) in [
            ("0", 0),
            ("5000", 5_000),
            ("64KiB", 65_536),
            ("10 MiB", 10_485_760),
            ("1GiB", 1_073_741_824),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "KiB", "10k", "-1", "1.5MiB", "99999999999TiB"] {
            assert!(bytes(text).unwrap_err().contains("such as 5000"), "{text}");
        }
    }
}
