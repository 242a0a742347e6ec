//! What can go wrong between an empty folder and a component, said so that its author knows what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::Language;

/// What this room's functions give.
pub type Result<T, E = AuthoringError> = std::result::Result<T, E>;

/// Why a plugin was not made or not built.
#[derive(Debug, thiserror::Error)]
pub enum AuthoringError {
    /// A name that no plugin can have.
    #[error(
        "{0:?} is no name for a plugin: up to 64 of a-z, 0-9 and -, a letter first and no - at the end"
    )]
    Name(String),
    /// Somebody's files would be among the new ones.
    #[error("{0} is not empty; name another folder for the new plugin, or move what is there")]
    FolderInUse(PathBuf),
    /// A folder without a plugin.
    #[error(
        "{0} has no plugin.toml; `zareba plugin new NAME --language {languages}` makes a folder that has one",
        languages = Language::NAMES
    )]
    NoManifest(PathBuf),
    /// A `plugin.toml` that makes no sense.
    #[error("{path} cannot be used: {why}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What should be the SDK is something else.
    #[error(
        "{0} is not the guest SDK: its Cargo.toml does not name the package zareba-guest-sdk; --sdk takes the \
         folder guest-sdk of a checkout of Zareba"
    )]
    NotTheSdk(PathBuf),
    /// A tool of the language is not installed.
    #[error(
        "{tool} is needed to build a plugin in {language}, and is not there ({searched}); install it with\n\n    {install}\n"
    )]
    MissingTool {
        /// What is missing.
        tool: String,
        /// Whose tool it is.
        language: Language,
        /// Where it was looked for.
        searched: String,
        /// The command that helps.
        install: String,
    },
    /// A tool is there and has failed; it has said why.
    #[error("{tool} ended with {status}; what it says stands above{said}")]
    ToolFailed {
        /// Which one.
        tool: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it has said on its standard output.
        said: String,
    },
    /// The contract in the folder cannot be used.
    #[error("no glue can be generated from {path}: {why}")]
    Bindings {
        /// The folder of the contract.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The module is no plugin's.
    #[error("what was built cannot become a component: {0}")]
    Encode(String),
    /// It wants more than plugins are given.
    #[error(
        "the component imports {}, which no plugin is given: only zareba:plugin@1 is. There is no WASI: no \
         clock, file, socket or environment; time and random numbers come from zareba:plugin/env",
        .0.join(", ")
    )]
    ForeignImports(Vec<String>),
    /// It offers nothing.
    #[error("the component does not export zareba:plugin/guest@1, which is what a plugin is")]
    NoGuest,
    /// The file system refuses.
    #[error("cannot {doing} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl AuthoringError {
    /// For `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}
