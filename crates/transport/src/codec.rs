//! Messages between servers and their frames. Must never know a link.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use zareba_model::Relay;
use zareba_model::limits::PEER_FRAME_BYTES_MAX;
use zareba_wire::{FrameDecoder, WireError, decode, encode_frame};
use zareba_zab::Message;

/// What one server sends to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerMessage {
    /// Of the broadcast.
    Zab(Message),
    /// Of clients' requests, and snapshots.
    Relay(Relay),
}

/// Which stream of a link a message takes. Between the lanes there is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// First in, first out.
    Ordered,
    /// Whatever is large and can wait.
    Bulk,
}

impl Lane {
    /// The byte that opens the lane's stream.
    pub(crate) const fn mark(self) -> u8 {
        match self {
            Self::Ordered => 1,
            Self::Bulk => 2,
        }
    }
}

impl PeerMessage {
    pub(crate) const fn lane(&self) -> Lane {
        match self {
            Self::Relay(Relay::SnapshotChunk { .. }) => Lane::Bulk,
            Self::Zab(_) | Self::Relay(_) => Lane::Ordered,
        }
    }

    /// About how many bytes the frame takes, so that large ones are not copied while they grow.
    fn size_hint(&self) -> usize {
        let payload = match self {
            Self::Zab(Message::Propose { entries, .. } | Message::Inform { entries, .. }) => {
                let bytes = |entry: &zareba_model::Entry| entry.payload.len() + 16;
                entries.iter().map(bytes).sum()
            }
            Self::Relay(Relay::SnapshotChunk { records, .. }) => records.len(),
            Self::Zab(_) | Self::Relay(_) => 0,
        };
        payload + 128
    }
}

/// One frame, to be shared by all recipients.
pub(crate) fn encode(message: &PeerMessage) -> Result<Bytes, WireError> {
    let mut frame = BytesMut::with_capacity(message.size_hint());
    encode_frame(message, &mut frame)?;
    Ok(frame.freeze())
}

/// Cuts a lane's bytes into messages.
#[derive(Debug)]
pub struct MessageDecoder(FrameDecoder);

impl Default for MessageDecoder {
    fn default() -> Self {
        Self(FrameDecoder::new(PEER_FRAME_BYTES_MAX))
    }
}

impl MessageDecoder {
    /// At the beginning of a lane.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    /// The next complete message, or `None` until more bytes come. After an error the lane cannot be
    /// read further.
    pub fn next_message(&mut self) -> Result<Option<PeerMessage>, WireError> {
        match self.0.next_frame()? {
            Some(frame) => decode(&frame).map(Some),
            None => Ok(None),
        }
    }
}
