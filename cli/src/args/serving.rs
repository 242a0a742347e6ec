//! Words of `zareba dev` and `zareba server`. Knows nothing of what they do.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// `zareba dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// How many servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    pub(crate) servers: u64,
    /// Where everything is kept; a second start finds it again.
    #[arg(long, default_value = crate::profile::DATA_DIR, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where the first server's clients connect; the others take the next ports. Port 0 takes
    /// free ones.
    #[arg(long, default_value = "127.0.0.1:7181", value_name = "HOST:PORT")]
    pub(crate) listen: SocketAddr,
}

/// `zareba server`.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The member's configuration.
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    pub(crate) config: Option<PathBuf>,
    /// Where a server that joins keeps its identity, configuration and state; a later start needs
    /// nothing else.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) join: Join,
}

/// How a new server joins.
#[derive(Debug, Args)]
pub(crate) struct Join {
    /// Join an ensemble with the token that `zareba ensemble add` has printed, or with the one in
    /// a file, as @FILE.
    #[arg(
        long = "join",
        value_name = "TOKEN",
        requires_all = ["data", "peer_address", "client_address"]
    )]
    pub(crate) token: Option<String>,
    /// Where other servers reach this one.
    #[arg(long, value_name = "HOST:PORT", requires = "token")]
    pub(crate) peer_address: Option<String>,
    /// Where clients reach this server.
    #[arg(long, value_name = "HOST:PORT", requires = "token")]
    pub(crate) client_address: Option<String>,
}
