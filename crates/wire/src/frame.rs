//! Frames: a little-endian `u32` length, then that many bytes of one postcard value.
//!
//! ```text
//! +----------------+----------------------+
//! | length: u32 LE | postcard: length     |
//! +----------------+----------------------+
//! ```
//!
//! This file must never know which messages travel in frames. Memory follows the bytes that have
//! come, never a length that somebody announced.

use bytes::{Buf, Bytes, BytesMut};
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zareba_model::limits::PEER_FRAME_BYTES_MAX;

use crate::WireError;

/// Bytes of a frame's length.
pub const LENGTH_BYTES: usize = size_of::<u32>();

// A length must fit its field, whatever the limits become.
const _: () = assert!(PEER_FRAME_BYTES_MAX <= u32::MAX as usize);

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    max: usize,
}

impl FrameDecoder {
    /// A decoder that refuses frames of more than `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            max,
        }
    }

    /// Takes bytes as they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer itself, for readers that write into it directly. Only append to it.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next complete frame's payload, sharing the buffer's memory, or `None` until more bytes
    /// come. After an error the stream has lost its frames' borders and cannot be read further.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        let Some(&header) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(header) as usize;
        if length > self.max {
            return Err(WireError::TooLarge {
                length,
                max: self.max,
            });
        }
        if self.buffer.len() - LENGTH_BYTES < length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// How many bytes wait for the rest of their frame.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }
}

/// Appends one frame that holds `value`. On an error `out` is as it was.
pub fn encode_frame<T: Serialize + ?Sized>(value: &T, out: &mut BytesMut) -> Result<(), WireError> {
    encode_frame_within(value, PEER_FRAME_BYTES_MAX, out)
}

/// Appends one frame that holds `value` in at most `max` bytes. On an error `out` is as it was.
pub fn encode_frame_within<T: Serialize + ?Sized>(
    value: &T,
    max: usize,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let result = append(value, max.min(PEER_FRAME_BYTES_MAX), out);
    let length = match result {
        Ok(length) => length,
        Err(error) => {
            out.truncate(start);
            return Err(error);
        }
    };
    assert!(length <= PEER_FRAME_BYTES_MAX);
    if let Some(header) = out.get_mut(start..start + LENGTH_BYTES) {
        header.copy_from_slice(&(length as u32).to_le_bytes());
    }
    Ok(())
}

/// Reads one value that takes up all of `bytes`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(WireError::Malformed)?;
    if !rest.is_empty() {
        return Err(WireError::TrailingBytes(rest.len()));
    }
    Ok(value)
}

/// Appends `value` without a header and says how many bytes it took.
pub(crate) fn append<T: Serialize + ?Sized>(
    value: &T,
    max: usize,
    out: &mut BytesMut,
) -> Result<usize, WireError> {
    let start = out.len();
    let mut overflow = None;
    let sink = Sink {
        limit: start.saturating_add(max),
        overflow: &mut overflow,
        out,
    };
    match postcard::serialize_with_flavor(value, sink) {
        Ok(end) => Ok(end - start),
        Err(error) => Err(match overflow {
            Some(end) => WireError::TooLarge {
                length: end - start,
                max,
            },
            None => WireError::Unencodable(error),
        }),
    }
}

/// Where postcard writes: postcard's own growing sink takes a `BytesMut` one byte at a time.
struct Sink<'a> {
    out: &'a mut BytesMut,
    limit: usize,
    overflow: &'a mut Option<usize>,
}

impl Sink<'_> {
    fn admit(&mut self, more: usize) -> postcard::Result<()> {
        let end = self.out.len().saturating_add(more);
        if end > self.limit {
            *self.overflow = Some(end);
            return Err(postcard::Error::SerializeBufferFull);
        }
        Ok(())
    }
}

impl Flavor for Sink<'_> {
    type Output = usize;

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.admit(data.len())?;
        self.out.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.admit(1)?;
        self.out.extend_from_slice(&[byte]);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.out.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_are_cut() {
        let values = ["", "a", "a longer text", "last"];
        let mut stream = BytesMut::new();
        for value in values {
            encode_frame(value, &mut stream).unwrap();
        }
        for step in 1..=stream.len() {
            let mut decoder = FrameDecoder::new(64);
            let mut seen: Vec<String> = Vec::new();
            for piece in stream.chunks(step) {
                decoder.feed(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push(decode(&frame).unwrap());
                }
            }
            assert_eq!(seen, values);
            assert_eq!(decoder.pending(), 0);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_any_payload_comes() {
        let mut decoder = FrameDecoder::new(100);
        decoder.feed(&101_u32.to_le_bytes());
        let refused = decoder.next_frame();
        let expected = WireError::TooLarge {
            length: 101,
            max: 100,
        };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut decoder = FrameDecoder::new(PEER_FRAME_BYTES_MAX);
        decoder.feed(&(PEER_FRAME_BYTES_MAX as u32).to_le_bytes());
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.buffer_mut().capacity() < 1024);
    }

    #[test]
    fn a_frame_shares_the_memory_it_arrived_in() {
        let mut decoder = FrameDecoder::new(64);
        decoder.feed(&[3, 0, 0, 0, 7, 8, 9]);
        let arrived = decoder.buffer_mut()[LENGTH_BYTES..].as_ptr();
        let frame = decoder.next_frame().unwrap().unwrap();
        assert_eq!(frame.as_ref(), [7, 8, 9]);
        assert_eq!(frame.as_ptr(), arrived);
    }

    #[test]
    fn a_value_over_the_limit_leaves_the_buffer_as_it_was() {
        let mut out = BytesMut::from(&b"before"[..]);
        let refused = encode_frame_within("0123456789", 8, &mut out);
        assert!(matches!(refused, Err(WireError::TooLarge { max: 8, .. })));
        assert_eq!(out.as_ref(), b"before");
        encode_frame_within("0123456", 8, &mut out).unwrap();
        assert_eq!(out.len(), 6 + LENGTH_BYTES + 8);
    }

    #[test]
    fn bytes_behind_a_value_are_an_error() {
        assert_eq!(decode::<u8>(&[1, 2, 3]), Err(WireError::TrailingBytes(2)));
        assert!(matches!(decode::<u8>(&[]), Err(WireError::Malformed(_))));
    }
}
