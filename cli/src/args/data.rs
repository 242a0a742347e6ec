//! Words of the commands about nodes. Knows nothing of what they do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use zareba_client::model::{AclEntry, SessionId, ZnodePath, Zxid};

use super::duration::duration;
use super::session::session_id;
use super::{Du, Export, Import, Tree};
use crate::acl;

/// A command about nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Create a node and print its path.
    Create(Create),
    /// Print a node's data.
    Get(Get),
    /// Replace a node's data.
    Set(Set),
    /// Delete a node, with all below it if asked to.
    #[command(visible_alias = "rm")]
    Delete(Delete),
    /// List a node's children.
    Ls(Ls),
    /// Print a node's stat.
    Stat {
        /// The node.
        path: ZnodePath,
        #[command(flatten)]
        fresh: Freshness,
    },
    /// Count a node's children, or all nodes below it.
    Count(Count),
    /// List the nodes at or below a path that end with a session.
    Ephemerals(Ephemerals),
    /// Demand that a node is there, and has a version.
    Check {
        /// The node.
        path: ZnodePath,
        /// The version it must have.
        #[arg(long)]
        version: Option<u64>,
    },
    /// Catch up with all that was committed before.
    Sync,
    /// Make several changes from JSON lines, all or none.
    #[command(after_long_help = MULTI_HELP)]
    Multi {
        /// Where the lines are [default: standard input].
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print what happens to a node, an event a line: created, changed, deleted, children-changed, and
    /// resync where what happened cannot be said any more.
    Watch(Watch),
    /// Draw a subtree.
    Tree(Tree),
    /// Show how many nodes and bytes lie below each child, the largest first.
    Du(Du),
    /// Write a subtree as JSON lines, one node each, with access control lists and lifetimes. Ephemeral
    /// nodes are left out.
    Export(Export),
    /// Make the nodes that an export holds.
    ///
    /// Sequential nodes keep their names. The parent's counter does not come with them: it begins
    /// with the number of children that are made, so that a later name can meet one that is there.
    Import(Import),
}

/// The lines of `zareba multi`, for its long help.
const MULTI_HELP: &str = r#"Each line is one change:
  {"op":"create","path":"/a","data":"text","mode":"persistent"}
  {"op":"create","path":"/j","lifetime":{"ttlMs":60000},"acl":["world:anyone:r","x509:CN=app:rwcda"]}
  {"op":"set","path":"/b","base64":"AAE=","version":3}
  {"op":"set-acl","path":"/b","acl":["auth::rwcda"],"version":0}
  {"op":"delete","path":"/c"}
  {"op":"check","path":"/d","version":0}
data and base64 are empty unless given; a version not given fits any (that of set-acl is the
list's); modes are persistent, persistent-sequential, ephemeral and ephemeral-sequential; a lifetime
is "container" or a time to live; an acl not given is open to everybody. Each change is answered by a
line, in order; if one is refused, nothing has happened."#;

/// `zareba create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Its data.
    #[arg(default_value = "")]
    pub(crate) data: String,
    /// Take the data from a file; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) file: Option<PathBuf>,
    /// Glue the parent's next sequence number to the name.
    #[arg(long)]
    pub(crate) sequential: bool,
    /// Delete the node when this command's session ends; the command then waits until it is
    /// interrupted. In the shell the node lives as long as the shell.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Let the servers delete the node once it has had children and has had none for a while.
    #[arg(long, conflicts_with_all = ["ephemeral", "sequential", "ttl"])]
    pub(crate) container: bool,
    /// Let the servers delete the node once nobody has set its data for so long, as 30s, 10m or
    /// "1h 30m", while it has no children.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "ephemeral")]
    pub(crate) ttl: Option<Duration>,
    /// Who may do what with it, as x509:CN=app:rw; see `zareba acl set`. Can be given several times
    /// [default: everybody everything].
    #[arg(long, value_name = "SCHEME:ID:PERMS", value_parser = acl::read_entry)]
    pub(crate) acl: Vec<AclEntry>,
    /// Create missing parents too, with the same access control list.
    #[arg(long, short)]
    pub(crate) parents: bool,
}

/// `zareba count`.
#[derive(Debug, Args)]
pub(crate) struct Count {
    /// The node [default: /, in the shell where it stands].
    pub(crate) path: Option<ZnodePath>,
    /// All nodes below it, not its children alone; what the servers show below /zareba is not counted
    /// with others.
    #[arg(long, short = 'R')]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) fresh: Freshness,
}

/// `zareba ephemerals`.
#[derive(Debug, Args)]
pub(crate) struct Ephemerals {
    /// Where to look [default: /, in the shell where it stands].
    pub(crate) path: Option<ZnodePath>,
    /// Only those of this session, by its name in `zareba session list`.
    #[arg(long, value_name = "ID", value_parser = session_id)]
    pub(crate) session: Option<SessionId>,
    #[command(flatten)]
    pub(crate) fresh: Freshness,
}

/// How new a read has to be.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Freshness {
    /// Catch up with the leader first.
    #[arg(long)]
    pub(crate) sync: bool,
    /// See at least all that was acknowledged to anybody before: a quorum confirms it.
    #[arg(long, conflicts_with = "sync")]
    pub(crate) linearizable: bool,
}

/// `zareba get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The node.
    pub(crate) path: ZnodePath,
    #[command(flatten)]
    pub(crate) fresh: Freshness,
    /// Print the stat too.
    #[arg(long, short)]
    pub(crate) stat: bool,
    /// Print the data again whenever it changes, until interrupted or until the node is deleted.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// `zareba set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Its new data.
    #[arg(required_unless_present = "file")]
    pub(crate) data: Option<String>,
    /// Take the data from a file; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) file: Option<PathBuf>,
    /// Only if the node has this version.
    #[arg(long)]
    pub(crate) version: Option<u64>,
}

/// `zareba delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Only if the node has this version.
    #[arg(long)]
    pub(crate) version: Option<u64>,
    /// All nodes below it too. Up to 10,000 go together; of more, others can see a part gone.
    #[arg(long, short, conflicts_with = "version")]
    pub(crate) recursive: bool,
}

/// `zareba ls`.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// The node [default: /, in the shell where it stands].
    pub(crate) path: Option<ZnodePath>,
    /// Only children whose names start so.
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// Version, bytes, children and the time of the last change of each.
    #[arg(long, short)]
    pub(crate) long: bool,
    /// All nodes below it, by their paths from it.
    #[arg(long, short = 'R')]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) fresh: Freshness,
}

/// `zareba watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The node; it need not be there yet.
    pub(crate) path: ZnodePath,
    /// Watch the list of children instead of the data.
    #[arg(long, conflicts_with = "recursive")]
    pub(crate) children: bool,
    /// Watch all nodes below it too.
    #[arg(long, short = 'R')]
    pub(crate) recursive: bool,
    /// Begin with what happened behind this transaction, EPOCH.COUNTER, such as the last one of an earlier
    /// watch or a node's mzxid. If the server does not remember that far back, a resync comes first.
    #[arg(long, value_name = "ZXID", value_parser = crate::command::log::zxid)]
    pub(crate) since: Option<Zxid>,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    pub(crate) events: Option<u64>,
}
