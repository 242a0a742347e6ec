//! Words of `zareba bench`. Knows nothing of what they do.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use zareba_client::model::ZnodePath;

/// `zareba bench`.
#[derive(Clone, Debug, Args)]
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
    /// Let many sessions watch one node, and time how long it takes until all know of its change.
    Watchers(Watchers),
    /// Open sessions that do nothing, and print what each takes of the servers' memory and CPU time.
    IdleSessions(IdleSessions),
    /// Fill the ensemble, and print what a node takes of the servers' memory.
    Znodes(Znodes),
    /// Run the standard recipes beside those of the client library, and print what each of them costs.
    Recipes(Recipes),
    /// Let guests misbehave beside native writers, and print what each of them got and what the writers felt.
    Hostile(Hostile),
    /// Hold sessions of another measurement, as the lines of standard input say.
    #[command(hide = true)]
    Crowd,
}

/// How a measurement's own ensemble is set up.
#[derive(Clone, Debug, Args)]
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
#[derive(Clone, Debug, Args)]
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
#[derive(Clone, Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) fill: Fill,
    /// How often each of the three is timed.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// `zareba bench watchers`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Watchers {
    /// Sessions that watch, spread over the servers.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sessions: usize,
    /// Watches of the node in each session. The server has one for the session; the client tells all.
    #[arg(long, default_value_t = 1)]
    pub(crate) each: usize,
    /// How often the node is set under each kind of watch.
    #[arg(long, default_value_t = 10)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// `zareba bench idle-sessions`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleSessions {
    /// Sessions.
    #[arg(long, default_value_t = 3_000)]
    pub(crate) sessions: usize,
    /// Spread them over all servers; otherwise one follower holds them all.
    #[arg(long)]
    pub(crate) spread: bool,
    /// Local sessions: the others know nothing of them.
    #[arg(long)]
    pub(crate) local: bool,
    /// Their timeout; an idle session speaks three times in it.
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    pub(crate) timeout_ms: u64,
    /// Seconds of idling that are measured.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) crowd: Crowd,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// Where a measurement's many sessions live.
#[derive(Clone, Debug, Args)]
pub(crate) struct Crowd {
    /// Processes that hold the sessions, so that none is the bottleneck. Sessions of one process share its sockets.
    #[arg(long, default_value_t = 3)]
    pub(crate) processes: usize,
}

/// `zareba bench znodes`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Znodes {
    #[command(flatten)]
    pub(crate) fill: Fill,
    /// Seconds of rest between filling and the second look.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// `zareba bench recipes`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Recipes {
    /// Seconds that each side of each measurement is measured in a round, behind a quarter of it to warm up.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Rounds. In each, everything is measured on both sides, one side right behind the other.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Requests that each client of the counter and of the queue keeps in flight.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) in_flight: u16,
    /// Only these measurements; all if none is named.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    pub(crate) only: Vec<RecipeBench>,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// What is measured on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecipeBench {
    /// One client takes a lock and gives it back.
    Lock,
    /// 10 clients contend for one lock.
    #[value(name = "lock-10")]
    Lock10,
    /// 50 clients contend for one lock.
    #[value(name = "lock-50")]
    Lock50,
    /// 50 clients add to one counter.
    Counter,
    /// 4 clients put into one queue, 4 take from it.
    Queue,
    /// 50 clients enter and leave a double barrier.
    #[value(name = "barrier-50")]
    Barrier50,
    /// 200 clients do.
    #[value(name = "barrier-200")]
    Barrier200,
}

/// `zareba bench hostile`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Hostile {
    /// Where the guests of the tests are: fixtures.wasm and wrong-types.wasm.
    #[arg(long, default_value = "tests/guests/dist", value_name = "DIR")]
    pub(crate) guests: PathBuf,
    /// Sessions that write, one write at a time each.
    #[arg(long, default_value_t = 8)]
    pub(crate) writers: usize,
    /// Sessions that call the guest, one call at a time each.
    #[arg(long, default_value_t = 4)]
    pub(crate) callers: usize,
    /// Seconds measured without the guest, and again with it, behind a quarter of it to warm up.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Mounts of the guest that is mounted everywhere.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) mounts: usize,
    #[command(flatten)]
    pub(crate) own: OwnEnsemble,
}

/// What an ensemble is filled with.
#[derive(Clone, Debug, Args)]
pub(crate) struct Fill {
    /// Nodes to fill the ensemble with.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) znodes: usize,
    /// Bytes of data of each.
    #[arg(long, default_value_t = 16)]
    pub(crate) value_size: usize,
    /// Nodes made by one transaction: many of them fill faster and leave a shorter log.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) per_write: u16,
}

/// `zareba bench` of a running ensemble.
#[derive(Clone, Debug, Args)]
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
