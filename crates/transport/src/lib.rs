//! The peer mesh over QUIC: one mutual-TLS link per pair of servers.
//!
//! ```text
//! MeshHandle::send ─> outbox (per peer, per lane) ─> link writer ══ QUIC ══> link reader ─> MeshEvent
//! ```
//!
//! Of each pair the server with the larger id dials. A link is one connection with two lanes: the
//! ordered lane (votes, broadcast, relays; first in, first out) and the bulk lane (pieces of
//! snapshots, which may fall behind the ordered lane but never hold it up). Links come and go;
//! what was queued or in flight on a link that goes is lost, and the events say so.
//!
//! This room must never know what any message means, who leads, or what a znode is.

pub mod authority;
pub use authority::{
    CertificateAuthority, Credentials, SigningRequest, generate_key, request_certificate,
};

pub mod identity;
pub use identity::{SERVER_DOMAIN, server_id, server_name};

pub mod tls;
pub use tls::{client_config, client_door_config, peer_client_config, peer_server_config};

pub mod codec;
pub use codec::{MessageDecoder, PeerMessage};

pub mod endpoint;
pub use endpoint::client_endpoint_config;

mod outbox;

mod refusal;

mod link;

pub mod socket;

pub mod mesh;
pub use mesh::{EventSink, Mesh, MeshConfig, MeshEvent, MeshHandle, QUEUE_BYTES_MAX};

pub mod error;
pub use error::{MeshError, TlsError};
