//! Words of `zareba acl`. Knows nothing of what they do.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use zareba_client::model::{AclEntry, ZnodePath};

use super::Freshness;
use crate::acl;

/// `zareba acl`.
#[derive(Debug, Subcommand)]
pub(crate) enum AclCommand {
    /// Print who may do what with a node, an entry a line, as `acl set` takes them.
    Get {
        /// The node.
        path: ZnodePath,
        #[command(flatten)]
        fresh: Freshness,
    },
    /// Replace the list that says who may do what with a node.
    ///
    /// The list of /zareba says who administers the ensemble: ADMIN on it is what counts.
    Set(AclSet),
    /// Print the identity that a user and a password prove, as lists and a server's `superusers` name it.
    /// The password is read from standard input.
    Digest {
        /// The user.
        user: String,
        /// Read the password from a file instead.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// `zareba acl set`.
#[derive(Debug, Args)]
pub(crate) struct AclSet {
    /// The node.
    pub(crate) path: ZnodePath,
    /// Who, and what: x509:CN=NAME:PERMS, digest:USER:HASH:PERMS, ip:ADDRESS:PERMS or
    /// ip:NETWORK/BITS:PERMS, world:anyone:PERMS, or auth::PERMS for whom the asker has proved to be. PERMS
    /// are letters of rwcda: read, write, create children, delete children, administer.
    #[arg(
        required_unless_present = "open",
        value_name = "SCHEME:ID:PERMS",
        value_parser = acl::read_entry
    )]
    pub(crate) entries: Vec<AclEntry>,
    /// Let everybody do everything.
    #[arg(long, conflicts_with = "entries")]
    pub(crate) open: bool,
    /// Only if the list has this version (`aversion` of `zareba stat`).
    #[arg(long)]
    pub(crate) version: Option<u64>,
    /// The same for all nodes below it, children before parents, in steps: others can see it half done.
    #[arg(long, short = 'R', conflicts_with = "version")]
    pub(crate) recursive: bool,
}
