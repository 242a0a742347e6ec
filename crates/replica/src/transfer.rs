//! Snapshot streams: the leader's tree, piece by piece, to a follower whose log is too far
//! behind. The tree moves on meanwhile; what it does reaches the follower as proposals.
//! Knows neither links nor disks.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{Relay, ServerId, Zxid};
use zareba_tree::{Record, RecordKey, RestoreError, Tree, TreeBuilder};
use zareba_wire::WireError;

use crate::record;

/// Streams going out, one for each follower at most.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    streams: BTreeMap<ServerId, Stream>,
    /// Where the last stream to each follower began, complete or not.
    bases: BTreeMap<ServerId, Zxid>,
}

#[derive(Debug)]
struct Stream {
    base: Zxid,
    cursor: Option<RecordKey>,
    sent: u64,
    taken: u64,
    complete: bool,
}

impl Outgoing {
    pub(crate) fn start(&mut self, to: ServerId, base: Zxid) {
        let stream = Stream {
            base,
            cursor: None,
            sent: 0,
            taken: 0,
            complete: false,
        };
        self.streams.insert(to, stream);
        self.bases.insert(to, base);
    }

    /// True if what stands behind `after` follows a snapshot that was sent to that server.
    pub(crate) fn has_sent(&self, to: ServerId, after: Zxid) -> bool {
        self.bases.get(&to).is_some_and(|base| *base <= after)
    }

    pub(crate) fn abandon(&mut self, to: ServerId) {
        self.streams.remove(&to);
        self.bases.remove(&to);
    }

    pub(crate) fn clear(&mut self) {
        self.streams.clear();
        self.bases.clear();
    }

    pub(crate) fn on_taken(&mut self, from: ServerId, base: Zxid, sequence: u64) {
        if let Some(stream) = self
            .streams
            .get_mut(&from)
            .filter(|stream| stream.base == base)
        {
            stream.taken = stream.taken.max(sequence + 1);
        }
        self.streams
            .retain(|_, stream| !stream.complete || stream.taken < stream.sent);
    }

    /// The next pieces that the windows have room for.
    pub(crate) fn next_pieces(
        &mut self,
        tree: &Tree,
        chunk_bytes: usize,
        window: u64,
    ) -> Vec<(ServerId, Relay)> {
        let mut pieces = Vec::new();
        for (to, stream) in &mut self.streams {
            while !stream.complete && stream.sent - stream.taken < window {
                pieces.push((*to, stream.next_piece(tree, chunk_bytes)));
            }
        }
        pieces
    }
}

impl Stream {
    fn next_piece(&mut self, tree: &Tree, chunk_bytes: usize) -> Relay {
        let (records, more) = tree.records_after(self.cursor.as_ref(), chunk_bytes);
        let meta = tree.record(&RecordKey::Meta).filter(|_| !more);
        let meta = meta.map(|record| (RecordKey::Meta, record));
        let encoded: Vec<(Bytes, Bytes)> = records
            .iter()
            .chain(&meta)
            .map(|(key, value)| (record::key_bytes(key), record::value_bytes(value)))
            .collect();
        if let Some((key, _)) = records.into_iter().last() {
            self.cursor = Some(key);
        }
        self.complete = !more;
        self.sent += 1;
        Relay::SnapshotChunk {
            base: self.base,
            sequence: self.sent - 1,
            records: record::piece_bytes(&encoded),
            // The leader's own tree may have come by a snapshot that it has not caught up with.
            end: self
                .complete
                .then(|| tree.applied().max(tree.consistent_at())),
        }
    }
}

/// The stream coming in.
pub(crate) struct Incoming {
    pub(crate) from: ServerId,
    pub(crate) base: Zxid,
    builder: TreeBuilder,
    next: u64,
    end: Option<Zxid>,
    time: u64,
}

/// Why a piece cannot be taken; the stream is void.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PieceError {
    #[error("piece {found} came where {expected} was expected")]
    OutOfOrder { expected: u64, found: u64 },
    #[error("a piece cannot be decoded: {0}")]
    Undecodable(#[from] WireError),
    #[error("a piece holds a record that makes no sense: {0}")]
    Senseless(#[from] RestoreError),
}

impl Incoming {
    pub(crate) fn new(from: ServerId, base: Zxid) -> Self {
        Self {
            from,
            base,
            builder: TreeBuilder::default(),
            next: 0,
            end: None,
            time: 0,
        }
    }

    /// Takes a piece and returns its records for the image.
    pub(crate) fn take(
        &mut self,
        sequence: u64,
        records: &[u8],
        end: Option<Zxid>,
    ) -> Result<Vec<(Bytes, Bytes)>, PieceError> {
        if sequence != self.next || self.end.is_some() {
            return Err(PieceError::OutOfOrder {
                expected: self.next,
                found: sequence,
            });
        }
        let records = record::parse_piece(records)?;
        for (key, value) in &records {
            let (key, value) = record::parse(key, value)?;
            if let Record::Meta { time, .. } = &value {
                self.time = self.time.max(*time);
            }
            self.builder.add(key, value)?;
        }
        self.next += 1;
        self.end = end;
        Ok(records)
    }

    /// The tree, once the last piece was taken: exact when the proposals up to its end are
    /// applied.
    pub(crate) fn finish(self) -> Option<Tree> {
        let end = self.end?;
        Some(self.builder.finish(self.base, end, self.time))
    }
}
