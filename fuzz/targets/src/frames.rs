//! Streams cut into frames, native and ZooKeeper's. Must never know what travels in a frame.

use bytes::{BufMut, Bytes, BytesMut};
use zareba_model::limits::FRAME_BYTES_MAX;
use zareba_zk_wire::{begin_frame, end_frame};

use crate::input::Input;
use crate::memory::{Bound, within};

/// The stream in a buffer that grows, and the list of its frames, of which the least has four bytes.
const STREAM: Bound = Bound::per_byte(64);

/// The limits that streams are tried with, so that frames are refused too.
const LIMITS: [usize; 4] = [0, 16, 1000, FRAME_BYTES_MAX];

/// Bytes of a frame's length, in both protocols.
const LENGTH_BYTES: usize = 4;

/// What cuts a stream.
trait Decoder {
    fn feed(&mut self, bytes: &[u8]);
    fn next_frame(&mut self) -> Result<Option<Bytes>, String>;
}

impl Decoder for zareba_wire::FrameDecoder {
    fn feed(&mut self, bytes: &[u8]) {
        self.feed(bytes);
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, String> {
        self.next_frame().map_err(|error| error.to_string())
    }
}

impl Decoder for zareba_zk_wire::FrameDecoder {
    fn feed(&mut self, bytes: &[u8]) {
        self.feed(bytes);
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, String> {
        self.next_frame().map_err(|error| error.to_string())
    }
}

/// Frames of the native protocol.
pub(crate) fn native_frames(bytes: &[u8]) {
    check(bytes, zareba_wire::FrameDecoder::new, |frame, out| {
        out.put_u32_le(frame.len() as u32);
        out.put_slice(frame);
    });
}

/// Frames of ZooKeeper's protocol.
pub(crate) fn jute_frames(bytes: &[u8]) {
    check(bytes, zareba_zk_wire::FrameDecoder::new, |frame, out| {
        let start = begin_frame(out);
        out.put_slice(frame);
        assert_eq!(end_frame(out, start, FRAME_BYTES_MAX), Ok(()));
    });
}

/// A stream gives the same frames and the same end however its bytes come, no frame is over the
/// limit, and the frames written again are the stream as far as it was read.
fn check<D: Decoder>(bytes: &[u8], new: impl Fn(usize) -> D, write: impl Fn(&[u8], &mut BytesMut)) {
    let mut input = Input::new(bytes);
    let (Some(limit), Some(step)) = (input.byte(), input.byte()) else {
        return;
    };
    let max = LIMITS
        .get(usize::from(limit) % LIMITS.len())
        .copied()
        .unwrap_or_default();
    let step = usize::from(step) + 1;
    let stream = input.rest();
    let whole = within(STREAM, bytes.len(), || {
        cut(new(max), stream.len().max(1), stream)
    });
    let pieces = within(STREAM, bytes.len(), || cut(new(max), step, stream));
    assert_eq!(whole, pieces, "in pieces of {step}");
    let mut written = BytesMut::new();
    for frame in &whole.0 {
        assert!(frame.len() <= max);
        write(frame, &mut written);
    }
    assert!(stream.starts_with(&written));
    let left = stream.len() - written.len();
    assert!(whole.1.is_ok() || left >= LENGTH_BYTES, "{left} bytes left");
}

/// The frames of a stream that comes in pieces of `step` bytes, and how it ends.
fn cut<D: Decoder>(mut decoder: D, step: usize, stream: &[u8]) -> (Vec<Bytes>, Result<(), String>) {
    let mut frames = Vec::new();
    for piece in stream.chunks(step) {
        decoder.feed(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, Ok(()))
}
