//! Words of the commands about whole subtrees. Knows nothing of what they do.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use zareba_client::model::ZnodePath;

/// `zareba tree`.
#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// Its root [default: /, in the shell where it stands].
    pub(crate) path: Option<ZnodePath>,
    /// How many levels below it.
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<usize>,
    /// Stop after so many nodes.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) limit: u64,
}

/// `zareba du`.
#[derive(Debug, Args)]
pub(crate) struct Du {
    /// The node [default: /, in the shell where it stands].
    pub(crate) path: Option<ZnodePath>,
    /// Show so many children; the others are summed up.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

/// `zareba export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The subtree's root.
    pub(crate) path: ZnodePath,
    /// Where to write [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Leave access control lists out. With them, hashes of passwords are in the export.
    #[arg(long)]
    pub(crate) no_acl: bool,
}

/// `zareba import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What the subtree's root becomes [default: what it was].
    pub(crate) path: Option<ZnodePath>,
    /// Where to read [default: standard input]. A file is checked to be whole before anything is
    /// written.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Change nothing; say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What becomes of a node that is there already.
    #[arg(long, value_enum, default_value_t = Existing::Fail)]
    pub(crate) existing: Existing,
    /// Take no access control lists from the import: nodes that are made are open to everybody.
    #[arg(long)]
    pub(crate) no_acl: bool,
    /// Create missing parents of the subtree's root.
    #[arg(long, short)]
    pub(crate) parents: bool,
}

/// What becomes of a node that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Existing {
    /// The import stops; what it has made stays.
    Fail,
    /// It stays as it is.
    Skip,
    /// It gets the data of the import, and its access control list if there is one; it lives as long as
    /// before.
    Replace,
}
