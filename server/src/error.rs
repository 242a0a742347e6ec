//! Why a server does not start, and why a running one stops. Must never hold a secret: these are
//! written to logs.

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error("cannot listen for {purpose} on {address}: {error}")]
    Listen {
        /// Clients or peers.
        purpose: &'static str,
        /// Where.
        address: SocketAddr,
        /// The system's words.
        error: std::io::Error,
    },
    /// A file of the TLS identity cannot be read.
    #[error("cannot read the {what} file {path}: {error}")]
    IdentityFile {
        /// Which of the three.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The audit log cannot be opened.
    #[error(
        "cannot append to the audit log {path}: {error}; name a file in a folder that is there and that this \
         server may write to"
    )]
    AuditLog {
        /// Its path.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The certificate, its key and the CA do not make a TLS identity.
    #[error("the certificate, key and CA files make no TLS identity: {0}")]
    Identity(String),
    /// The mesh of peers cannot be set up.
    #[error("cannot set up the links to peers: {0}")]
    Mesh(String),
    /// The data directory cannot be opened.
    #[error("cannot open the data directory {path}: {message}")]
    Storage {
        /// Which directory.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// What the disk holds is no state of a server.
    #[error(
        "the data directory {path} holds no valid state: {message}; move it away and start the \
         server on an empty one while a quorum of the others is up"
    )]
    Recovery {
        /// Which directory.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The script of disk faults makes no sense.
    #[cfg(feature = "faults")]
    #[error("ZAREBA_DISK_FAULT: {0}")]
    Faults(String),
    /// The engine that runs plugins does not come up.
    #[error("cannot set up the plugin engine: {0}")]
    Plugins(String),
    /// The system gives no thread.
    #[error("cannot start the thread {name}: {error}")]
    Thread {
        /// Which.
        name: &'static str,
        /// The system's words.
        error: std::io::Error,
    },
}

impl StartError {
    pub(crate) fn listen(
        purpose: &'static str,
        address: SocketAddr,
        error: std::io::Error,
    ) -> Self {
        Self::Listen {
            purpose,
            address,
            error,
        }
    }
}

/// Why a running server stopped by itself. It cannot go on in this process: start it anew, and
/// recovery will find out what the disk holds.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServerError {
    /// The transaction log or the epochs page could not be written.
    #[error(
        "writing the transaction log failed, so the server has stopped: {0}; check the disk's \
         health and free space, then start the server again"
    )]
    Log(String),
    /// The image could not be written.
    #[error(
        "writing the image failed, so the server has stopped: {0}; check the disk's health and \
         free space, then start the server again"
    )]
    Image(String),
    /// It is no member of the ensemble any more.
    #[error(
        "this server was removed from the ensemble (version {version} of it), so it has stopped; \
         its data directory can be deleted; to come back it joins anew, with an empty data \
         directory and a token of `zareba ensemble add`"
    )]
    Removed {
        /// Since this version of the ensemble.
        version: u64,
    },
    /// A thread of the server has panicked; its message is in the log.
    #[error("the server has stopped after a broken invariant; its log says which")]
    Crashed,
}
