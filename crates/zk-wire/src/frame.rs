//! Frames: a big-endian `i32` length, then that many bytes. Must never know what is in them.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::JuteError;

/// Bytes of a frame's length.
pub const LENGTH_BYTES: usize = size_of::<i32>();

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

    /// The next complete frame's payload, sharing the buffer's memory, or `None` until more bytes
    /// come. After an error the stream has lost its frames' borders and cannot be read further.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, JuteError> {
        let Some(&header) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let announced = i32::from_be_bytes(header);
        let length = usize::try_from(announced);
        let length = length.map_err(|_| JuteError::NegativeLength(announced))?;
        if length > self.max {
            return Err(JuteError::TooLong {
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
}

/// Leaves room for a frame's length and says where, for [`end_frame`].
pub fn begin_frame(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.put_i32(0);
    start
}

/// Writes the length of the frame that began at `start`. Over `max` bytes the frame is taken back.
pub fn end_frame(out: &mut BytesMut, start: usize, max: usize) -> Result<(), JuteError> {
    let length = out.len().saturating_sub(start + LENGTH_BYTES);
    let max = max.min(i32::MAX as usize);
    if length > max {
        out.truncate(start);
        return Err(JuteError::TooLong { length, max });
    }
    let header = out.get_mut(start..start + LENGTH_BYTES);
    let header = header.filter(|header| **header == [0; LENGTH_BYTES]);
    assert!(header.is_some(), "a frame ends where one began");
    if let Some(header) = header {
        header.copy_from_slice(&(length as i32).to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_are_cut() {
        let mut stream = BytesMut::new();
        let payloads: [&[u8]; 3] = [b"", b"a", b"longer"];
        for payload in payloads {
            let start = begin_frame(&mut stream);
            stream.put_slice(payload);
            end_frame(&mut stream, start, 64).unwrap();
        }
        for step in 1..=stream.len() {
            let mut decoder = FrameDecoder::new(64);
            let mut seen = Vec::new();
            for piece in stream.chunks(step) {
                decoder.feed(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, payloads);
        }
    }

    #[test]
    fn lengths_below_zero_and_over_the_limit_are_refused() {
        for (length, refused) in [
            (-1, JuteError::NegativeLength(-1)),
            (
                65,
                JuteError::TooLong {
                    length: 65,
                    max: 64,
                },
            ),
        ] {
            let mut decoder = FrameDecoder::new(64);
            decoder.feed(&i32::to_be_bytes(length));
            assert_eq!(decoder.next_frame(), Err(refused));
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_taken_back() {
        let mut out = BytesMut::from(&b"before"[..]);
        let start = begin_frame(&mut out);
        out.put_slice(b"12345");
        let refused = end_frame(&mut out, start, 4);
        assert_eq!(refused, Err(JuteError::TooLong { length: 5, max: 4 }));
        assert_eq!(out.as_ref(), b"before");
    }
}
