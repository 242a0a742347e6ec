//! Why bytes are no message, or a message is no bytes. Must never know who sent them.

use thiserror::Error;

/// What can be wrong between values and bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// A frame announces, or a value needs, more bytes than its kind may have.
    #[error("a message of {length} bytes is over the limit of {max}")]
    TooLarge {
        /// How many it has; when encoding stopped early, how many it has at least.
        length: usize,
        /// How many it may have.
        max: usize,
    },
    /// The bytes describe no value of the expected type.
    #[error("the bytes are no such message: {0}")]
    Malformed(postcard::Error),
    /// A value ends before its bytes do.
    #[error("{0} bytes follow the end of the message")]
    TrailingBytes(usize),
    /// The bytes have a format version that this build does not read.
    #[error("format version {found} is not readable; this build reads version {known}")]
    UnknownVersion {
        /// The version the bytes say.
        found: u8,
        /// The version this build writes.
        known: u8,
    },
    /// A transaction sets the ensemble and its version says that it does not, or the reverse.
    #[error("the content is not what format version {0} announces")]
    OtherContent(u8),
    /// There is not even a format version.
    #[error("there are no bytes where a format version should be")]
    Empty,
    /// The value has a part that the encoding cannot express.
    #[error("the value cannot be encoded: {0}")]
    Unencodable(postcard::Error),
}
