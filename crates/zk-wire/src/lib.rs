//! ZooKeeper's bytes: a pure codec of the jute protocol.
//!
//! Here now: jute's primitives ([`record`]) and length-prefixed frames ([`frame`]). Not here yet,
//! because they come with the ZooKeeper listener that will use them: the connect handshake, the
//! numbers of requests and errors, the records of requests and responses, and their translation to
//! and from the model's words. Until then nothing in the house speaks to a ZooKeeper client.
//!
//! This room must never know a socket, a session's state or what any request does.

mod error;
pub use error::JuteError;

pub mod frame;
pub use frame::{FrameDecoder, begin_frame, end_frame};

pub mod record;
pub use record::{Reader, Writer};
