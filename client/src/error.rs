//! What can go wrong for a caller, and what to do about it. Knows no socket and no message.

use thiserror::Error;
use zareba_model::{ErrorCode, Fault, PathError, ZnodePath};

/// Why a request has no result.
///
/// A lost connection is none of these: the library goes to another server by itself, and a
/// request is executed once however often it had to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The server refused the request, or the session itself. The code says whether trying again
    /// makes sense: [`ErrorCode::NotServing`] is the answer of a leader that lost its office before
    /// the request had any effect, which is not sent again by itself.
    #[error("{0}")]
    Refused(#[source] Fault),
    /// The session is over: its ephemeral nodes, locks and watches are gone. Connect again and
    /// build up anew what depended on it.
    #[error(
        "the session has expired and its ephemeral nodes are gone; connect again and recreate them"
    )]
    SessionExpired,
    /// The client was closed, so nothing more can be asked of it. Connect again.
    #[error("the client is closed; connect again")]
    Closed,
    /// No answer within the request timeout. The request may still be executed: look before you
    /// repeat it.
    #[error("no answer within the request timeout; the request may still be executed")]
    Timeout,
    /// No server let the session in. Check that the ensemble runs and that the profile is its.
    #[error("no session at any of {endpoints}: {reason}; check that the ensemble runs there")]
    Unreachable {
        /// What was tried.
        endpoints: String,
        /// Why the last attempt failed.
        reason: String,
    },
    /// The path is none. Correct it.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The request is larger than a frame may be. Split it.
    #[error("the request takes about {bytes} bytes, but {max} is the most; split it")]
    TooLarge {
        /// An estimate of its encoded size.
        bytes: usize,
        /// What a frame may hold.
        max: usize,
    },
    /// The profile, or an option, cannot be used. Correct it.
    #[error("{0}")]
    Configuration(String),
    /// A value is not the JSON that was expected. Compare with the operation's description.
    #[error("JSON of {what}: {reason}")]
    Json {
        /// Whose.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server answered something else than was asked. One of the two has a bug, or they
    /// speak different versions: report it.
    #[error("unexpected answer from the server: {0}")]
    Protocol(String),
    /// The node that stood for the caller in a recipe was deleted by somebody else, so that it holds
    /// nothing any more. Stop what depended on it, and stand in line anew.
    #[error("{path}, which stood for this client, was deleted by somebody else; start over")]
    NodeGone {
        /// The node.
        path: ZnodePath,
    },
    /// A recipe's node holds something else than the recipe writes. Check whether its path is used for
    /// something else too, and correct or delete the node.
    #[error("{path} should hold {expected}, but holds {found:?}; is it used for something else?")]
    Content {
        /// The node.
        path: ZnodePath,
        /// What the recipe writes.
        expected: String,
        /// The beginning of what is there.
        found: String,
    },
    /// A blocking call inside an asynchronous task, whose thread it would hold up with all its other
    /// tasks. Use [`Client`](crate::Client) there, or `tokio::task::spawn_blocking`.
    #[error(
        "a blocking call inside an asynchronous task would hold up its thread; \
         use zareba_client::Client there, or tokio::task::spawn_blocking"
    )]
    InsideAsync,
    /// The watch could not be carried over to another server. Read again and watch again.
    #[error("the watch could not be carried over to another server; read and watch again")]
    WatchLost,
}

impl Error {
    /// The server's code, if the server refused the request.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(fault) => Some(fault.code),
            Self::SessionExpired => Some(ErrorCode::SessionExpired),
            _ => None,
        }
    }

    /// True if the server refused the request with this code.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code() == Some(code)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        if fault.code == ErrorCode::SessionExpired {
            Self::SessionExpired
        } else {
            Self::Refused(fault)
        }
    }
}
