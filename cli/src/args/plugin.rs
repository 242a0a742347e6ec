//! Words of `zareba plugin`, `zareba call` and `zareba lock`. Knows nothing of what they do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use zareba_client::model::{PublisherKey, ZnodePath};

use super::Authoring;

/// `zareba plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    #[command(flatten)]
    Authoring(Authoring),
    /// Push a component as a revision of a plugin and print its address. What is there already is not
    /// sent again.
    Push(Push),
    /// Check a component here, as the servers would, and print what it says of itself.
    Verify {
        /// The component, a .wasm file.
        file: PathBuf,
    },
    /// Print what would change for callers if a revision were activated. The exit code is 4 if something
    /// would break.
    Plan {
        /// The plugin's name.
        name: String,
        /// A component that is not pushed yet, or a revision's address or its first digits [default: the
        /// newest].
        revision: Option<String>,
    },
    /// Make a revision the active one.
    Activate {
        /// The plugin's name.
        name: String,
        /// The revision's address, or its first digits [default: the newest].
        revision: Option<String>,
        /// Also if callers of the present revision may not get along with it; see `plan`.
        #[arg(long)]
        allow_breaking: bool,
    },
    /// Put an older revision back into use: the one before, unless another is named.
    Rollback {
        /// The plugin's name.
        name: String,
        /// The revision's address, or its first digits [default: the one that was active before].
        revision: Option<String>,
    },
    /// Forget a revision that is not in use, or a plugin that is mounted nowhere.
    Remove {
        /// The plugin's name.
        name: String,
        /// The revision's address, or its first digits; without it, the whole plugin.
        revision: Option<String>,
    },
    /// Mount a plugin's active revision at a path.
    Mount {
        /// The plugin's name.
        name: String,
        /// Where.
        path: ZnodePath,
        #[command(flatten)]
        settings: MountSettings,
    },
    /// Give a mount another config and other limits. What is not named gets its default.
    Configure {
        /// Where.
        path: ZnodePath,
        #[command(flatten)]
        settings: MountSettings,
    },
    /// Take a plugin off a path; the nodes below stay.
    Unmount {
        /// Where.
        path: ZnodePath,
    },
    /// Refuse commands at a mount, and let its events wait.
    Pause {
        /// Where.
        path: ZnodePath,
        /// What callers are told.
        #[arg(long, default_value = "by an operator", value_name = "TEXT")]
        reason: String,
    },
    /// End a pause; what waited comes first.
    Resume {
        /// Where.
        path: ZnodePath,
    },
    /// Put a mount back into service that failed too often.
    ClearQuarantine {
        /// Where.
        path: ZnodePath,
        /// Forget what it could not take, instead of telling it once more.
        #[arg(long)]
        drop_events: bool,
    },
    /// List plugins, their revisions and mounts.
    List,
    /// Print what a revision says of itself: its promise, operations, shapes and events.
    Describe {
        /// The plugin's name.
        name: String,
        /// The revision's address, or its first digits [default: the active one].
        revision: Option<String>,
    },
    /// Print what plugins did since the servers started, all servers together.
    Stats {
        /// One mount [default: all].
        mount: Option<ZnodePath>,
    },
    /// Print again and again what plugins do, all servers together.
    Top {
        /// One mount [default: all].
        mount: Option<ZnodePath>,
        /// How often.
        #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
        every: Duration,
        /// Stop after so many times; 0 goes on until interrupted.
        #[arg(long, default_value_t = 0, value_name = "TIMES")]
        times: u64,
    },
    /// Print what plugins have logged, of all servers together.
    Logs {
        /// One mount [default: all].
        mount: Option<ZnodePath>,
        /// Go on with what they log from now on.
        #[arg(short, long)]
        follow: bool,
        /// Leave out what matters less.
        #[arg(long, value_enum, default_value_t = LogLevel::Debug)]
        level: LogLevel,
    },
    /// Say who may publish components.
    #[command(subcommand)]
    Publisher(Publisher),
}

/// `zareba plugin push`.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The plugin's name.
    pub(crate) name: String,
    /// The component, a .wasm file.
    pub(crate) file: PathBuf,
    /// Sign it as this publisher.
    #[arg(long, requires = "key_file", value_name = "NAME")]
    pub(crate) publisher: Option<String>,
    /// The publisher's private key, as `publisher keygen` writes it.
    #[arg(long, requires = "publisher", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// How a plugin runs at a mount.
#[derive(Debug, Args)]
pub(crate) struct MountSettings {
    /// A value the plugin can read, as KEY=VALUE.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) config: Vec<String>,
    /// Reuse one instance for many calls instead of a fresh one each.
    #[arg(long)]
    pub(crate) warm: bool,
    /// Longest time of one run, milliseconds.
    #[arg(long, value_name = "MS")]
    pub(crate) time_ms: Option<u32>,
    /// Most memory of one instance, bytes.
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory: Option<u64>,
    /// Most calls from guest to host in one run.
    #[arg(long, value_name = "CALLS")]
    pub(crate) host_calls: Option<u32>,
    /// Most changes of nodes in one run.
    #[arg(long, value_name = "CHANGES")]
    pub(crate) changes: Option<u32>,
    /// Most bytes staged in one run.
    #[arg(long, value_name = "BYTES")]
    pub(crate) bytes: Option<u32>,
    /// Most lines logged in one run.
    #[arg(long, value_name = "LINES")]
    pub(crate) log_lines: Option<u32>,
    /// Most calls parked at once.
    #[arg(long, value_name = "CALLS")]
    pub(crate) parked_calls: Option<u32>,
}

/// `zareba plugin publisher`.
#[derive(Debug, Subcommand)]
pub(crate) enum Publisher {
    /// Write a new private key to a file and print its public key.
    Keygen {
        /// The file; it must not be there.
        file: PathBuf,
    },
    /// Let a publisher sign with a key.
    Add {
        /// The publisher's name.
        name: String,
        /// The public key, 64 hexadecimal digits.
        #[arg(value_name = "KEY", value_parser = publisher_key)]
        public_key: PublisherKey,
    },
    /// Forget a publisher.
    Remove {
        /// The publisher's name.
        name: String,
    },
    /// List publishers, and say whether revisions must be signed.
    List,
    /// Say whether every revision must be signed by a publisher.
    Require {
        /// Whether.
        #[arg(action = clap::ArgAction::Set)]
        required: bool,
    },
}

/// How much a line of a log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    /// Errors.
    Error = 1,
    /// And warnings.
    Warn,
    /// And information.
    Info,
    /// And what helps debugging.
    Debug,
}

/// Reads a public key.
fn publisher_key(text: &str) -> Result<PublisherKey, String> {
    PublisherKey::parse(text)
        .ok_or_else(|| "a public key is written as 64 hexadecimal digits".to_owned())
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
    #[arg(long, conflicts_with = "explain")]
    pub(crate) hold: bool,
    /// Print what the call would come to, and do nothing.
    #[arg(long)]
    pub(crate) explain: bool,
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
