//! The command line, parsed once; the words of each topic stand in a file of their own. Knows
//! nothing of what a command does.

mod acl;
mod authoring;
mod bench;
mod data;
mod duration;
mod ensemble;
mod log;
mod path;
mod plugin;
mod quota;
mod serving;
mod session;
mod shell;
mod subtree;

pub(crate) use self::acl::*;
pub(crate) use self::authoring::*;
pub(crate) use self::bench::*;
pub(crate) use self::data::*;
pub(crate) use self::ensemble::*;
pub(crate) use self::log::*;
pub(crate) use self::path::{PathRules, is_path};
pub(crate) use self::plugin::*;
pub(crate) use self::quota::*;
pub(crate) use self::serving::*;
pub(crate) use self::session::*;
pub(crate) use self::shell::*;
pub(crate) use self::subtree::*;

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use zareba_client::Secret;

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

impl Args {
    /// The one definition, from which lines are read and completions and man pages are made.
    pub(crate) fn grammar() -> clap::Command {
        PathRules::Absolute.apply(Self::command())
    }

    /// Reads this process's command line; leaves with what clap has to say if it makes no sense.
    pub(crate) fn read() -> Self {
        let grammar = Self::grammar();
        let matches = grammar.clone().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| {
            let mut grammar = grammar;
            error.format(&mut grammar).exit()
        })
    }
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
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Ensemble {
    /// Client profile of the ensemble [default: zareba-data/client.toml].
    #[arg(long, global = true, env = "ZAREBA_PROFILE", value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    /// Session timeout in milliseconds: a client that dies loses its locks after this.
    #[arg(long, global = true, default_value_t = 10_000, value_name = "MS")]
    pub(crate) session_timeout_ms: u32,
    /// Prove an identity, as digest:USER:PASSWORD, or as @FILE that holds that. Can be given several
    /// times. Others on this machine see what stands in a command line, but not what stands in ZAREBA_AUTH.
    #[arg(
        long,
        global = true,
        env = "ZAREBA_AUTH",
        hide_env_values = true,
        value_name = "SCHEME:CREDENTIAL",
        value_parser = secret
    )]
    pub(crate) auth: Vec<Secret>,
    /// The client's certificate, in PEM: its common name is its identity of the scheme x509 [default: the
    /// profile's].
    #[arg(long, global = true, env = "ZAREBA_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, global = true, env = "ZAREBA_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Ask one server alone, even one without a leader, whose answers may be old. Costs no quorum; a write
    /// waits for a leader.
    #[arg(long, global = true)]
    pub(crate) read_only: bool,
    /// Ask one server alone until the first write: a session that costs the ensemble nothing.
    #[arg(long, global = true)]
    pub(crate) local: bool,
}

#[cfg(test)]
impl Ensemble {
    /// None in particular.
    pub(crate) fn for_tests() -> Self {
        Self {
            profile: None,
            session_timeout_ms: 10_000,
            auth: Vec::new(),
            cert: None,
            key: None,
            read_only: false,
            local: false,
        }
    }
}

/// Takes any text: what is wrong with a secret is said where nobody repeats it.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret(text.to_owned()))
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a local ensemble with the standard recipes mounted, until interrupted.
    Dev(Dev),
    /// Run one member of an ensemble.
    Server(Server),
    #[command(flatten)]
    Asking(Asking),
    /// Run commands in one session, typed or from a pipe.
    Shell(Shell),
    /// Run a command while holding a lock.
    Lock(Lock),
    /// Look at the data of a server that is stopped, without changing it.
    #[command(subcommand)]
    Log(Log),
    /// Measure: a running ensemble's throughput, latency and CPU time, or one of its own that is
    /// killed and restarted.
    Bench(Bench),
    /// Print what makes a shell complete this command line.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages of all commands to a folder.
    Man {
        /// The folder; it is made if it is not there.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// What can be asked of an ensemble, on the command line and in the shell alike.
#[derive(Debug, Subcommand)]
pub(crate) enum Asking {
    #[command(flatten)]
    Data(Data),
    /// Look at and set who may do what with a node.
    #[command(subcommand)]
    Acl(AclCommand),
    /// Look at and set how much a subtree may hold.
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Look at the ensemble's sessions and end them.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Print who this session has proved to be, as access control lists name it.
    Whoami,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Args::grammar().debug_assert();
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_nearest_one() {
        let said = Args::grammar()
            .try_get_matches_from(["zareba", "crate", "/a"])
            .unwrap_err()
            .to_string();
        assert!(said.contains("'create'"), "{said}");
    }
}
