//! Records: one format version byte, then one postcard value, for bytes that outlive the process
//! that wrote them. Must never know what a record is of.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zareba_model::limits::PEER_FRAME_BYTES_MAX;

use crate::WireError;
use crate::frame::{append, decode};

/// The format version of image and snapshot records that this build writes and reads.
pub const RECORD_VERSION: u8 = 3;

/// Encodes one record of an image or a snapshot.
pub fn encode_record<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, WireError> {
    encode_versioned(value, RECORD_VERSION, PEER_FRAME_BYTES_MAX)
}

/// Reads one record of an image or a snapshot.
pub fn decode_record<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    decode_versioned(bytes, RECORD_VERSION)
}

/// Encodes a value of at most `max` bytes behind its format's version.
pub(crate) fn encode_versioned<T: Serialize + ?Sized>(
    value: &T,
    version: u8,
    max: usize,
) -> Result<Bytes, WireError> {
    let mut out = BytesMut::with_capacity(256);
    out.extend_from_slice(&[version]);
    append(value, max, &mut out)?;
    Ok(out.freeze())
}

/// Reads a value whose format's version must be `known`.
pub(crate) fn decode_versioned<T: DeserializeOwned>(
    bytes: &[u8],
    known: u8,
) -> Result<T, WireError> {
    match bytes.split_first() {
        None => Err(WireError::Empty),
        Some((found, rest)) if *found == known => decode(rest),
        Some((found, _)) => Err(WireError::UnknownVersion {
            found: *found,
            known,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was() {
        let record = (7_u64, "name".to_owned(), vec![1_u8, 2]);
        let bytes = encode_record(&record).unwrap();
        assert_eq!(bytes.first(), Some(&RECORD_VERSION));
        assert_eq!(decode_record(&bytes), Ok(record));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let refused = decode_record::<u8>(&[1, 0]);
        let expected = WireError::UnknownVersion {
            found: 1,
            known: RECORD_VERSION,
        };
        assert_eq!(refused, Err(expected));
        assert_eq!(decode_record::<u8>(&[]), Err(WireError::Empty));
    }
}
