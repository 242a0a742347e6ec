//! What servers relay of clients' requests: one postcard value, framed by the link that carries it.
//! Peers of one ensemble settle the protocol's version by ALPN, so there is no version byte.
//! Must never know the link.

use bytes::{Bytes, BytesMut};
use zareba_model::Relay;
use zareba_model::limits::PEER_FRAME_BYTES_MAX;

use crate::WireError;
use crate::frame::{append, decode};

/// Encodes a relay.
pub fn encode_relay(relay: &Relay) -> Result<Bytes, WireError> {
    let mut out = BytesMut::new();
    append(relay, PEER_FRAME_BYTES_MAX, &mut out)?;
    Ok(out.freeze())
}

/// Reads a relay back.
pub fn decode_relay(bytes: &[u8]) -> Result<Relay, WireError> {
    decode(bytes)
}
