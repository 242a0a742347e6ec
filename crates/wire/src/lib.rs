//! Native bytes: what clients, peers and the log may rely on.
//!
//! Everything is postcard behind either a frame's length or a format version. Numbers are never
//! reused: a change that old bytes do not survive gets a new version and a new testdata folder.
//! This room must never know a socket, a disk or what any message does.

mod error;
pub use error::WireError;

pub mod frame;
pub use frame::{FrameDecoder, decode, encode_frame, encode_frame_within};

pub mod client;
pub use client::{ClientMessage, Hello, JoinMessage, Joined, ServerMessage, SessionKind, Welcome};

pub mod relay;
pub use relay::{decode_relay, encode_relay};

pub mod txn;
pub use txn::{decode_txn, encode_txn, ensemble_in};

pub mod record;
pub use record::{decode_record, encode_record};
