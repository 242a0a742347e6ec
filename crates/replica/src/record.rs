//! Records of the tree as bytes: keys and values of the image, pieces of a snapshot stream.
//! Knows nothing of where they are kept.

use bytes::Bytes;
use zareba_tree::{Record, RecordKey};
use zareba_wire::{WireError, decode_record, encode_record};

/// A record's key as the image keeps it.
pub(crate) fn key_bytes(key: &RecordKey) -> Bytes {
    infallible(encode_record(key))
}

/// A record's value as the image keeps it.
pub(crate) fn value_bytes(record: &Record) -> Bytes {
    infallible(encode_record(record))
}

/// Reads a key and its value.
pub(crate) fn parse(key: &[u8], value: &[u8]) -> Result<(RecordKey, Record), WireError> {
    Ok((decode_record(key)?, decode_record(value)?))
}

/// A piece of a snapshot stream.
pub(crate) fn piece_bytes(records: &[(Bytes, Bytes)]) -> Bytes {
    infallible(encode_record(records))
}

/// Reads a piece of a snapshot stream.
pub(crate) fn parse_piece(piece: &[u8]) -> Result<Vec<(Bytes, Bytes)>, WireError> {
    decode_record(piece)
}

fn infallible(encoded: Result<Bytes, WireError>) -> Bytes {
    match encoded {
        Ok(bytes) => bytes,
        Err(error) => panic!("our own plain data must be encodable: {error}"),
    }
}
