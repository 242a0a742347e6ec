//! Words of `zareba plugin`, `zareba call` and `zareba lock`. Knows nothing of what they do.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use zareba_client::model::ZnodePath;

use super::Authoring;

/// `zareba plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    #[command(flatten)]
    Authoring(Authoring),
    /// Push a component as a revision of a plugin and print its address.
    Push {
        /// The plugin's name.
        name: String,
        /// The component, a .wasm file.
        file: PathBuf,
    },
    /// Make a revision the active one; an older one rolls back.
    Activate {
        /// The plugin's name.
        name: String,
        /// The revision's address, or its first digits [default: the newest].
        revision: Option<String>,
    },
    /// Mount a plugin's active revision at a path.
    Mount {
        /// The plugin's name.
        name: String,
        /// Where.
        path: ZnodePath,
        /// A value the plugin can read, as KEY=VALUE.
        #[arg(long, value_name = "KEY=VALUE")]
        config: Vec<String>,
        /// Reuse one instance for many calls instead of a fresh one each.
        #[arg(long)]
        warm: bool,
    },
    /// Take a plugin off a path; the nodes below stay.
    Unmount {
        /// Where.
        path: ZnodePath,
    },
    /// List plugins, their revisions and mounts.
    List,
}

/// `zareba call`.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// The plugin's mount.
    pub(crate) mount: ZnodePath,
    /// The operation.
    pub(crate) op: String,
    /// Its input; JSON for the standard recipes.
    #[arg(default_value = "{}")]
    pub(crate) input: String,
    /// Keep the session, and with it what the call got, until interrupted.
    #[arg(long)]
    pub(crate) hold: bool,
}

/// `zareba lock`.
#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// The lock.
    pub(crate) name: String,
    /// Where the lock plugin is mounted.
    #[arg(long, default_value = "/locks", value_name = "PATH")]
    pub(crate) mount: ZnodePath,
    /// Do not wait for a lock that is held.
    #[arg(long = "try")]
    pub(crate) try_only: bool,
    /// Wait at most so long, milliseconds.
    #[arg(long, value_name = "MS", conflicts_with = "try_only")]
    pub(crate) wait_ms: Option<u64>,
    /// The command; ZAREBA_FENCING_TOKEN is set for it. It is killed if the lock is lost.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
