//! What can go wrong with the data directory, by what an operator can do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error as ThisError;
use zareba_log::LogError;

/// Why the data directory cannot be used.
#[derive(Debug, ThisError)]
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
    /// There is nothing to look at.
    #[error(
        "there is no data of a server in {0} (it has no file `format`); give the directory that \
         `data_dir` names in the server's configuration"
    )]
    Nothing(PathBuf),
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
        "cannot {doing} the image: {error}; if this comes back at every start, move the \
         data directory away and start the server on an empty one while a quorum of the others is up"
    )]
    Image {
        /// What was under way.
        doing: &'static str,
        /// The engine's words.
        error: fjall::Error,
    },
    /// The image's own record of itself cannot be read.
    #[error(
        "the image's record of itself is unreadable; move the data directory away and start \
         the server on an empty one while a quorum of the others is up"
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
            Self::Image { error, .. } => match error {
                // Of these a restart may be the end; or they have nothing to do with bytes.
                fjall::Error::Poisoned | fjall::Error::KeyspaceDeleted | fjall::Error::Locked => {
                    false
                }
                // What else there is says that bytes are bad. That the format of the engine is
                // unknown does so too, for the format of the whole directory has a file of its own.
                error => io_error_within(error).is_none_or(is_of_bytes),
            },
            _ => false,
        }
    }
}

fn io_error_within(error: &fjall::Error) -> Option<&io::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// A file that is missing or has other contents; not a disk that fails at the moment.
fn is_of_bytes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    )
}
