//! One link: a connection's two lanes from the moment both servers agree that it stands.
//!
//! ```text
//! connected ─> lanes opened ─> both marks read on both lanes: up ─> any of: read or write fails,
//!                                                            bad frame, overflow: down
//! ```
//!
//! Must never know how the connection came about, or whether there will be another.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, Side, VarInt};
use thiserror::Error;
use tokio::task::JoinSet;
use zareba_wire::WireError;

use crate::codec::{Lane, MessageDecoder, PeerMessage};
use crate::outbox::Outbox;
use crate::refusal::refused;

/// Takes what a peer sent.
pub(crate) type MessageSink = Arc<dyn Fn(PeerMessage) + Send + Sync>;

/// Why a link went down, or never stood.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    #[error("the connection is lost: {0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error("reading: {0}")]
    Read(#[from] quinn::ReadError),
    #[error("reading: {0}")]
    ReadExact(#[from] quinn::ReadExactError),
    #[error("writing: {0}")]
    Write(#[from] quinn::WriteError),
    #[error("the peer sent what is no message: {0}")]
    Frame(#[from] WireError),
    #[error("the peer opened no lane with mark {0}")]
    NoLane(u8),
    #[error("the peer closed a lane")]
    LaneClosed,
    #[error("the lanes were not opened in time")]
    Slow,
    #[error("the peer's host says that nobody listens there any more")]
    Refused,
    #[error("more waits to be sent than may")]
    Overflow,
    #[error("a lane's task was stopped")]
    Stopped,
}

impl LinkError {
    /// True if the other side said that this server should not connect to it.
    pub(crate) fn is_refusal(&self) -> bool {
        let closed = match self {
            Self::Connection(error) => error,
            Self::Read(quinn::ReadError::ConnectionLost(error)) => error,
            Self::ReadExact(quinn::ReadExactError::ReadError(
                quinn::ReadError::ConnectionLost(error),
            )) => error,
            Self::Write(quinn::WriteError::ConnectionLost(error)) => error,
            _ => return false,
        };
        matches!(closed, quinn::ConnectionError::ApplicationClosed(close)
            if close.error_code == CLOSE_STRANGER)
    }

    /// The number and the words that the peer is given with the end of the connection.
    fn close_code(&self) -> VarInt {
        match self {
            Self::Frame(_) | Self::NoLane(_) => CLOSE_BAD_FRAME,
            Self::Overflow => CLOSE_OVERFLOW,
            _ => CLOSE_NORMAL,
        }
    }
}

/// The end of a link that nobody is to blame for.
pub(crate) const CLOSE_NORMAL: VarInt = VarInt::from_u32(0);
/// The peer sent bytes that are no message.
pub(crate) const CLOSE_BAD_FRAME: VarInt = VarInt::from_u32(1);
/// The peer takes too slowly what it is sent.
pub(crate) const CLOSE_OVERFLOW: VarInt = VarInt::from_u32(2);
/// The certificate names nobody who should connect here.
pub(crate) const CLOSE_STRANGER: VarInt = VarInt::from_u32(3);
/// The peer has connected anew.
pub(crate) const CLOSE_REPLACED: VarInt = VarInt::from_u32(4);

/// Two streams that both servers have agreed on.
pub(crate) struct Link {
    connection: Connection,
    ordered: (SendStream, RecvStream),
    bulk: (SendStream, RecvStream),
}

impl Link {
    /// Opens the lanes, or waits for the peer to open them, within a bounded time.
    pub(crate) async fn establish(connection: Connection) -> Result<Self, LinkError> {
        let opening = async {
            match connection.side() {
                Side::Client => Self::open(connection.clone()).await,
                Side::Server => Self::accept(connection.clone()).await,
            }
        };
        let established = tokio::time::timeout(ESTABLISH_TIME_MAX, opening).await;
        let established = established.unwrap_or(Err(LinkError::Slow));
        if let Err(error) = &established {
            connection.close(error.close_code(), error.to_string().as_bytes());
        }
        established
    }

    /// Carries messages both ways until the link is down, and says why. When this returns, nothing
    /// more of this link reaches the sink.
    pub(crate) async fn run(self, outbox: Arc<Outbox>, sink: MessageSink) -> LinkError {
        let mut lanes = JoinSet::new();
        for (lane, (send, receive)) in [(Lane::Ordered, self.ordered), (Lane::Bulk, self.bulk)] {
            lanes.spawn(write_lane(lane, send, outbox.clone()));
            lanes.spawn(read_lane(receive, sink.clone()));
        }
        let error = tokio::select! {
            ended = lanes.join_next() => match ended {
                Some(Ok(Err(error))) => error,
                Some(Ok(Ok(()))) => LinkError::LaneClosed,
                Some(Err(_)) | None => LinkError::Stopped,
            },
            () = outbox.overflow() => LinkError::Overflow,
            () = refused(&self.connection) => LinkError::Refused,
        };
        self.connection
            .close(error.close_code(), error.to_string().as_bytes());
        // Waits for the readers to have stopped, not only to have been told to.
        lanes.shutdown().await;
        error
    }

    async fn open(connection: Connection) -> Result<Self, LinkError> {
        let mut ordered = connection.open_bi().await?;
        let mut bulk = connection.open_bi().await?;
        ordered.0.write_all(&[Lane::Ordered.mark()]).await?;
        bulk.0.write_all(&[Lane::Bulk.mark()]).await?;
        expect_mark(&mut ordered.1, Lane::Ordered).await?;
        expect_mark(&mut bulk.1, Lane::Bulk).await?;
        Self::new(connection, ordered, bulk)
    }

    async fn accept(connection: Connection) -> Result<Self, LinkError> {
        // Streams are accepted in the order in which they were opened.
        let mut ordered = connection.accept_bi().await?;
        let mut bulk = connection.accept_bi().await?;
        expect_mark(&mut ordered.1, Lane::Ordered).await?;
        expect_mark(&mut bulk.1, Lane::Bulk).await?;
        ordered.0.write_all(&[Lane::Ordered.mark()]).await?;
        bulk.0.write_all(&[Lane::Bulk.mark()]).await?;
        Self::new(connection, ordered, bulk)
    }

    fn new(
        connection: Connection,
        ordered: (SendStream, RecvStream),
        bulk: (SendStream, RecvStream),
    ) -> Result<Self, LinkError> {
        // When both lanes have bytes to send, the ordered lane goes first.
        let prioritized = bulk.0.set_priority(-1);
        prioritized.map_err(|_| LinkError::LaneClosed)?;
        Ok(Self {
            connection,
            ordered,
            bulk,
        })
    }
}

async fn expect_mark(stream: &mut RecvStream, lane: Lane) -> Result<(), LinkError> {
    let mut mark = [0];
    stream.read_exact(&mut mark).await?;
    if mark == [lane.mark()] {
        Ok(())
    } else {
        Err(LinkError::NoLane(lane.mark()))
    }
}

async fn write_lane(
    lane: Lane,
    mut stream: SendStream,
    outbox: Arc<Outbox>,
) -> Result<(), LinkError> {
    let mut batch = Vec::new();
    loop {
        outbox.take(lane, &mut batch).await;
        let bytes = batch.iter().map(Bytes::len).sum();
        stream.write_all_chunks(&mut batch).await?;
        outbox.wrote(lane, bytes);
    }
}

async fn read_lane(mut stream: RecvStream, sink: MessageSink) -> Result<(), LinkError> {
    let mut decoder = MessageDecoder::new();
    let mut chunks: [Bytes; CHUNKS_PER_READ] = std::array::from_fn(|_| Bytes::new());
    while let Some(count) = stream.read_chunks(&mut chunks).await? {
        for chunk in chunks.iter_mut().take(count) {
            decoder.feed(&std::mem::take(chunk));
        }
        while let Some(message) = decoder.next_message()? {
            sink(message);
        }
        // A fast peer must not keep this task's thread for itself.
        tokio::task::consume_budget().await;
    }
    Err(LinkError::LaneClosed)
}

/// How long the peer may take to open its lanes.
const ESTABLISH_TIME_MAX: Duration = Duration::from_secs(5);

/// Pieces of a stream, about a packet each, taken at a time.
const CHUNKS_PER_READ: usize = 32;
