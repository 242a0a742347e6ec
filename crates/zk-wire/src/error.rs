//! Why bytes are no jute. Must never know who sent them.

use thiserror::Error;

/// What can be wrong with jute's bytes, or with a value that should become some.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JuteError {
    /// The bytes end inside a value.
    #[error("{needed} more bytes are needed, but only {left} are left")]
    Truncated {
        /// How many the value needs.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// A length is below zero where null is not allowed, or below -1.
    #[error("{0} is no length")]
    NegativeLength(i32),
    /// A length is over its limit.
    #[error("a length of {length} is over the limit of {max}")]
    TooLong {
        /// How many bytes or members.
        length: usize,
        /// How many there may be.
        max: usize,
    },
    /// A boolean is neither 0 nor 1.
    #[error("{0} is no boolean")]
    NotBoolean(u8),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// A record ends before its bytes do.
    #[error("{0} bytes follow the end of the record")]
    TrailingBytes(usize),
}
