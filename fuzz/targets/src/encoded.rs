//! Values behind postcard: messages of clients and peers, transactions, records. Must never know what
//! a value means; of every type the same holds.

use std::fmt::Debug;

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zareba_transport::{MessageDecoder, PeerMessage};
use zareba_tree::{Record, RecordKey};
use zareba_wire::frame::LENGTH_BYTES;
use zareba_wire::{
    ClientMessage, ServerMessage, WireError, decode, decode_record, decode_relay, decode_txn,
    encode_frame, encode_record, encode_relay, encode_txn, ensemble_in,
};

use crate::memory::{Bound, within};

/// A small value of many fields may be one byte long, as a map of one entry is three.
pub(crate) const DECODED: Bound = Bound::per_byte(1024);

/// What a client may send.
pub(crate) fn client_message(bytes: &[u8]) {
    plain::<ClientMessage>(bytes);
}

/// What a server may send to a client.
pub(crate) fn server_message(bytes: &[u8]) {
    plain::<ServerMessage>(bytes);
}

/// An entry of the log.
pub(crate) fn txn(bytes: &[u8]) {
    let ensemble = within(DECODED, bytes.len(), || ensemble_in(bytes));
    let Some(txn) = check(bytes, decode_txn, |txn| encode_txn(txn).map(Vec::from)) else {
        assert_eq!(ensemble, None, "of what is no transaction");
        return;
    };
    assert!(ensemble.is_none() || ensemble.as_ref() == txn.ensemble());
    let encoded = encode_txn(&txn).unwrap_or_default();
    assert_eq!(ensemble_in(&encoded).as_ref(), txn.ensemble());
}

/// What servers relay of requests.
pub(crate) fn relay(bytes: &[u8]) {
    check(bytes, decode_relay, |relay| {
        encode_relay(relay).map(Vec::from)
    });
}

/// A record of the image, or its key.
pub(crate) fn record(bytes: &[u8]) {
    check(bytes, decode_record::<RecordKey>, |key| {
        encode_record(key).map(Vec::from)
    });
    check(bytes, decode_record::<Record>, |record| {
        encode_record(record).map(Vec::from)
    });
}

/// What comes on a lane of a link between servers.
pub(crate) fn peer_messages(bytes: &[u8]) {
    let messages = within(DECODED, bytes.len(), || {
        let mut decoder = MessageDecoder::new();
        decoder.feed(bytes);
        let mut messages = Vec::new();
        while let Ok(Some(message)) = decoder.next_message() {
            messages.push(message);
        }
        messages
    });
    for message in messages {
        plain::<PeerMessage>(&payload(&message));
    }
}

/// A value without a header.
pub(crate) fn plain<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    check(bytes, decode::<T>, |value| Ok(payload(value)));
}

/// A value's bytes, out of its frame.
fn payload<T: Serialize>(value: &T) -> Vec<u8> {
    let mut frame = BytesMut::new();
    let encoded = encode_frame(value, &mut frame);
    assert_eq!(encoded, Ok(()), "what was decoded can be encoded");
    frame.get(LENGTH_BYTES..).unwrap_or_default().to_vec()
}

/// What is decoded is encoded again in no more bytes, comes back from them as it was, and does not
/// come back from any more or any fewer.
fn check<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, WireError>,
    encode: impl Fn(&T) -> Result<Vec<u8>, WireError>,
) -> Option<T> {
    let value = within(DECODED, bytes.len(), || decode(bytes)).ok()?;
    let mut encoded = match encode(&value) {
        Ok(encoded) => encoded,
        Err(error) => panic!("{value:?} was decoded and cannot be encoded: {error}"),
    };
    assert!(
        encoded.len() <= bytes.len(),
        "{value:?} has grown from {} to {} bytes",
        bytes.len(),
        encoded.len()
    );
    assert_eq!(decode(&encoded).as_ref(), Ok(&value));
    encoded.push(0);
    assert_eq!(decode(&encoded), Err(WireError::TrailingBytes(1)));
    encoded.truncate(encoded.len() - 2);
    assert!(decode(&encoded).is_err(), "{value:?} came from a prefix");
    Some(value)
}
