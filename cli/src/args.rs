//! The command line, parsed once. Knows nothing of what a command does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use zareba_client::model::ZnodePath;

use crate::exit;

/// A coordination service: znodes, sessions, watches and total order, with primitives deployed as
/// sandboxed WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "zareba", version, after_help = exit::HELP)]
pub(crate) struct Args {
    /// For people, or one JSON value per line.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) ensemble: Ensemble,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How a command speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Which ensemble, and how.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Ensemble {
    /// Client profile of the ensemble [default: zareba-data/client.toml].
    #[arg(long, global = true, env = "ZAREBA_PROFILE", value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// Session timeout in milliseconds: a client that dies loses its locks after this.
    #[arg(long, global = true, default_value_t = 10_000, value_name = "MS")]
    pub(crate) session_timeout_ms: u32,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a local ensemble with the standard recipes mounted, until interrupted.
    Dev(Dev),
    /// Run one member of an ensemble.
    Server(Server),
    /// Create a node and print its path.
    Create(Create),
    /// Print a node's data.
    Get(Get),
    /// Replace a node's data.
    Set(Set),
    /// Delete a node without children.
    Delete(Delete),
    /// List a node's children.
    Ls(Ls),
    /// Print a node's stat.
    Stat {
        /// The node.
        path: ZnodePath,
    },
    /// Print what happens to a node, an event a line.
    Watch(Watch),
    /// Ask every server about itself.
    Status,
    /// Look at the ensemble's members and change them.
    #[command(subcommand)]
    Ensemble(EnsembleCommand),
    /// Deploy and look at plugins.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Call an operation of a mounted plugin.
    Call(Call),
    /// Run a command while holding a lock.
    Lock(Lock),
    /// Look at the data of a server that is stopped, without changing it.
    #[command(subcommand)]
    Log(Log),
    /// Measure: a running ensemble's throughput, latency and CPU time, or one of its own that is
    /// killed and restarted.
    Bench(Bench),
}

/// `zareba dev`.
#[derive(Debug, ClapArgs)]
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
#[derive(Debug, ClapArgs)]
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
#[derive(Debug, ClapArgs)]
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

/// `zareba ensemble`.
#[derive(Debug, Subcommand)]
pub(crate) enum EnsembleCommand {
    /// Show every member: its role, where it is, whether it is up and how far behind.
    Status,
    /// Make a token with which one new server can join, and print it. It is a secret.
    Add {
        /// How long the token can be used, as 30s, 10m or 2h.
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

/// Reads 30s, 10m, 2h or 1d.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let seconds = units.into_iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds).filter(|seconds| *seconds > 0)
    });
    let seconds = seconds.ok_or("a number with s, m, h or d is expected, such as 10m")?;
    Ok(Duration::from_secs(seconds))
}

/// `zareba create`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Create {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Its data.
    #[arg(default_value = "")]
    pub(crate) data: String,
    /// Glue the parent's next sequence number to the name.
    #[arg(long)]
    pub(crate) sequential: bool,
    /// Delete the node when this command's session ends; the command then waits until it is
    /// interrupted.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Create missing parents too.
    #[arg(long, short)]
    pub(crate) parents: bool,
}

/// `zareba get`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Get {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Catch up with the leader first.
    #[arg(long)]
    pub(crate) sync: bool,
}

/// `zareba set`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Set {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Its new data.
    pub(crate) data: String,
    /// Only if the node has this version.
    #[arg(long)]
    pub(crate) version: Option<u64>,
}

/// `zareba delete`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Delete {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Only if the node has this version.
    #[arg(long)]
    pub(crate) version: Option<u64>,
}

/// `zareba ls`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Ls {
    /// The node.
    #[arg(default_value = "/")]
    pub(crate) path: ZnodePath,
    /// Only names that start so.
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
}

/// `zareba watch`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Watch {
    /// The node; it need not be there yet.
    pub(crate) path: ZnodePath,
    /// Watch the list of children instead of the node.
    #[arg(long)]
    pub(crate) children: bool,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    pub(crate) events: Option<u64>,
}

/// `zareba plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
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
#[derive(Debug, ClapArgs)]
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
#[derive(Debug, ClapArgs)]
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

/// `zareba bench`.
#[derive(Clone, Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) own: Option<OwnBench>,
    #[command(flatten)]
    pub(crate) load: BenchLoad,
}

/// Measurements with an ensemble of their own: three processes in a temporary folder.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum OwnBench {
    /// Kill the leader under load, again and again, and print how long nobody could write.
    Failover(Failover),
    /// Fill the ensemble, then time restarts and the refilling of a wiped follower.
    Restart(Restart),
}

/// How a measurement's own ensemble is set up.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct OwnEnsemble {
    /// Where its folder is made, and removed at the end [default: the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// `timing.heartbeat_ms` of all servers [default: the servers' own].
    #[arg(long, value_name = "MS")]
    pub(crate) heartbeat_ms: Option<u64>,
    /// `timing.silence_max_ms` of all servers [default: the servers' own].
    #[arg(long, value_name = "MS")]
    pub(crate) silence_max_ms: Option<u64>,
}

/// `zareba bench failover`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Failover {
    /// How often the leader goes down; 0 only watches the calm.
    #[arg(long, default_value_t = 30)]
    pub(crate) rounds: usize,
    /// How it goes down.
    #[arg(long, value_enum, default_value_t = Downfall::Kill)]
    pub(crate) how: Downfall,
    /// Seconds of load before the first round, in which no server should look for a leader.
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    pub(crate) calm: u64,
    /// Sessions that write, spread over the servers.
    #[arg(long, default_value_t = 6)]
    pub(crate) sessions: usize,
    /// Requests each session keeps in flight.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=900))]
    pub(crate) in_flight: u16,
    /// Bytes of data.
    #[arg(long, default_value_t = 1024)]
    pub(crate) value_size: usize,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// How a leader goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Downfall {
    /// Its process is killed; its host tells everybody who asks.
    Kill,
    /// It falls silent, as with its host or its network; nobody tells.
    Freeze,
}

/// `zareba bench restart`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Restart {
    /// Nodes to fill the ensemble with.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) znodes: usize,
    /// Bytes of data of each.
    #[arg(long, default_value_t = 16)]
    pub(crate) value_size: usize,
    /// Nodes made by one transaction: many of them fill faster and leave a shorter log.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) per_write: u16,
    /// How often each of the three is timed.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// `zareba bench` of a running ensemble.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct BenchLoad {
    /// Sessions, spread over the servers.
    #[arg(long, default_value_t = 32)]
    pub(crate) sessions: usize,
    /// Requests each session keeps in flight.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=900))]
    pub(crate) in_flight: u16,
    /// Share of reads, percent.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) reads: u8,
    /// Bytes of data.
    #[arg(long, default_value_t = 1024)]
    pub(crate) value_size: usize,
    /// Nodes the load is spread over.
    #[arg(long, default_value_t = 1000)]
    pub(crate) keys: usize,
    /// Seconds measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Seconds before the measurement.
    #[arg(long, default_value_t = 1)]
    pub(crate) warm_up: u64,
    /// Call an operation of a plugin instead of setting nodes, as MOUNT:OP:INPUT; `{session}` in
    /// the input becomes the session's number.
    #[arg(long, value_name = "MOUNT:OP:INPUT")]
    pub(crate) call: Option<String>,
    /// Acquire and release locks of this mount instead, one at a time in each session.
    #[arg(long, value_name = "MOUNT", conflicts_with = "call")]
    pub(crate) lock: Option<ZnodePath>,
    /// Different locks the sessions contend for.
    #[arg(long, default_value_t = 1, requires = "lock")]
    pub(crate) locks: usize,
}
