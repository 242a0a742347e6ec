//! What can go wrong with the data directory, by what an operator can do about it.

use std::path::PathBuf;

use thiserror::Error;
use zareba_log::LogError;

/// Why the data directory cannot be used.
#[derive(Debug, Error)]
pub enum StorageError {
    /// Another process has it.
    #[error(
        "the data directory {0} is in use by another process; stop that server first, or give this \
         one a directory of its own"
    )]
    InUse(PathBuf),
    /// It holds something else.
    #[error(
        "{0} is not empty and is no data directory of zareba (it has no file `format`); give the \
         server an empty or a new directory"
    )]
    NotOurs(PathBuf),
    /// Another version wrote it.
    #[error(
        "the data directory {path} has format {found:?}, and this program knows {known:?}; start \
         the version that wrote it"
    )]
    UnknownFormat {
        /// Which directory.
        path: PathBuf,
        /// What its file `format` says.
        found: String,
        /// What this program writes.
        known: &'static str,
    },
    /// The file system refused.
    #[error("cannot {doing} {path}: {error}")]
    Io {
        /// What was under way.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The image's engine failed. After a failed write it accepts no more; stop the server.
    #[error(
        "cannot {doing} the image: {error}; if this comes back at every start, remove the \
         directory `image` and the directory `log` together and let the server be refilled as a \
         new, empty one while a quorum of the others is up"
    )]
    Image {
        /// What was under way.
        doing: &'static str,
        /// The engine's words.
        error: fjall::Error,
    },
    /// The image's own record of itself cannot be read.
    #[error(
        "the image's record of itself is unreadable; remove the directory `image` and the \
         directory `log` together and let the server be refilled as a new, empty one while a \
         quorum of the others is up"
    )]
    ImageMeta,
    /// A record's key is empty or too long.
    #[error("a record's key has {0} bytes; it must have from 1 to 65535")]
    Key(usize),
    /// There is no snapshot being installed.
    #[error("no snapshot is being installed")]
    NoInstall,
}

impl StorageError {
    /// True if the image's bytes are bad, so that no later try can succeed.
    pub(crate) fn is_broken_image(&self) -> bool {
        match self {
            Self::ImageMeta => true,
            Self::Image { error, .. } => matches!(
                error,
                fjall::Error::Storage(_)
                    | fjall::Error::JournalRecovery(_)
                    | fjall::Error::Decompress(_)
                    | fjall::Error::InvalidTrailer
                    | fjall::Error::InvalidTag(_)
                    | fjall::Error::Unrecoverable
            ),
            _ => false,
        }
    }
}
