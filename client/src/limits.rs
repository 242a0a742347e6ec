//! This library's own maxima and intervals, with their reasons. Knows no mechanism.

use std::time::Duration;

use zareba_model::limits::{
    EVENTS_MISSED_MAX, FRAME_BYTES_MAX, SESSION_OUTSTANDING_MAX, SESSION_PARKED_MAX,
};

/// Requests in flight, calls apart. A little below what the server reads, so that the stream is
/// never stopped by our own doing.
pub(crate) const OUTSTANDING_MAX: usize = SESSION_OUTSTANDING_MAX - 24;

/// Calls in flight. Parked ones wait for long and must not stop the requests that end them.
pub(crate) const CALLS_MAX: usize = SESSION_PARKED_MAX;

/// Requests under way at once that take watches back. They need no caller's room, and fit into what
/// [`OUTSTANDING_MAX`] leaves free.
pub(crate) const REMOVALS_MAX: usize = 16;

/// Events that wait for the reader of one stream: more than a server tells at once of the past, so that a
/// reader who has just begun has time.
pub(crate) const STREAM_EVENTS_MAX: usize = 16_384;

/// Sessions listed at once: with their first thousand ephemeral nodes each, of usual names, they fit into
/// one message.
pub(crate) const SESSIONS_PAGE: u32 = 100;

/// Places of the window of xids. All requests in flight fit; only parked calls are moved out.
pub(crate) const WINDOW_MAX: usize = 4 * SESSION_OUTSTANDING_MAX;

/// Bytes of requests encoded before they are handed to QUIC: enough for one flight of packets.
pub(crate) const BATCH_BYTES: usize = 64 << 10;

/// Room in a frame for what surrounds the request's own texts and bytes.
pub(crate) const FRAME_OVERHEAD_BYTES: usize = 256;

/// What surrounds the texts and bytes of one change or ACL entry at most.
pub(crate) const ITEM_OVERHEAD_BYTES: usize = 32;

/// Chunks taken from the stream at once.
pub(crate) const CHUNKS_MAX: usize = 64;

/// First wait after every server has been tried.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(20);

/// Longest wait after every server has been tried.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A connection that lived so long was a good one: the next search starts without a wait.
pub(crate) const GOOD_LIFE: Duration = Duration::from_secs(1);

/// Silence after which a server that owes an answer is asked whether it lives. On a host whose
/// server process has died the question comes back as a refusal at once.
pub(crate) const PROBE: Duration = Duration::from_millis(100);

/// Shortest silence after a ping, with not one datagram, that makes a server a dead one: several
/// repetitions of a lost packet fit.
pub(crate) const SILENCE_MIN: Duration = Duration::from_millis(500);

/// The silence for a session's timeout: so long that a pause of the server's host does not drive
/// all clients away, so short that there is time for many other servers.
pub(crate) fn silence(timeout: Duration) -> Duration {
    SILENCE_MIN.max(timeout / 10)
}

/// How long a dropped client waits for its session's close.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// First wait before a call of a plugin that is still being compiled is sent again.
pub(crate) const RETRY_MIN: Duration = Duration::from_millis(10);

/// Longest such wait.
pub(crate) const RETRY_MAX: Duration = Duration::from_millis(500);

/// How long such a call is sent again if there is no request timeout: a new leader compiles for
/// seconds at most.
pub(crate) const CALL_PATIENCE: Duration = Duration::from_secs(10);

/// The longest that anything is tried again: beyond it a wish for more means for ever.
pub(crate) const PATIENCE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the registration of a component is tried while servers compile it.
pub(crate) const REGISTER_PATIENCE: Duration = Duration::from_secs(120);

/// Connections to one server that have a socket each before any is shared: a few busy sessions have as
/// many buffers in the kernel and tasks that read, which they need (eleven on four sockets read about
/// a fifth less, see benches/README.md), while the most that their sockets take stays small.
pub(crate) const SPREAD: usize = 8;

/// Connections on one socket. A small event for each of them, all at once, fits into the 208 KiB that
/// Linux gives a socket by default; and of the socket's own 2 MiB there are 9 KiB for each.
pub(crate) const SHARERS_MAX: usize = 256;

/// What a socket should hold in each direction, as at the servers. The kernel silently grants less if
/// its limits say so.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 << 20;

const _: () = {
    assert!(OUTSTANDING_MAX < WINDOW_MAX);
    assert!(OUTSTANDING_MAX + REMOVALS_MAX < SESSION_OUTSTANDING_MAX);
    assert!(EVENTS_MISSED_MAX < STREAM_EVENTS_MAX);
    assert!(FRAME_OVERHEAD_BYTES < FRAME_BYTES_MAX);
};
