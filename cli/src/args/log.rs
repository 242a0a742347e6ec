//! Words of `zareba log`. Knows nothing of what they do.

use std::path::PathBuf;

use clap::Subcommand;

/// `zareba log`.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Print the log record by record, then segments, epochs and image.
    Dump {
        /// The server's data directory.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Begin at this transaction, EPOCH.COUNTER.
        #[arg(long, value_name = "ZXID", value_parser = crate::command::log::zxid)]
        from: Option<zareba_client::Zxid>,
        /// Print so many records at most.
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Check everything: checksums, order, epochs, image and digest. Ends with 1 if something is
    /// damaged, and says what to do; with 2 if there is nothing that can be looked at.
    Verify {
        /// The server's data directory.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}
