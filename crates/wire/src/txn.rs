//! The log's entries: an encoded [`Txn`] behind a format version byte.
//! Must never know where the entry stands in the log, or what its effects do.

use bytes::Bytes;
use zareba_model::Txn;
use zareba_model::limits::TXN_BYTES_MAX;

use crate::WireError;
use crate::record::{decode_versioned, encode_versioned};

/// The format version of transactions that this build writes and reads.
pub const TXN_VERSION: u8 = 1;

/// Encodes a transaction for the log and the broadcast.
pub fn encode_txn(txn: &Txn) -> Result<Bytes, WireError> {
    encode_versioned(txn, TXN_VERSION, TXN_BYTES_MAX - 1)
}

/// Reads a transaction back.
pub fn decode_txn(bytes: &[u8]) -> Result<Txn, WireError> {
    decode_versioned(bytes, TXN_VERSION)
}
