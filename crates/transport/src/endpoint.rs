//! What a server's sockets keep over a restart, so that peers and clients soon see that it was one.
//!
//! A killed server says no goodbye. When it is back at its port, the others still send to connections
//! that it knows nothing of; QUIC lets it answer with a stateless reset, which they believe if it
//! is made with the key of the old connection. So the key comes from the server's private key:
//! with one made anew at each start, they would talk to nobody until their patience ends, and a
//! leader's death in that time would leave an ensemble without a quorum that hears each other.
//! Must never know what is sent.

use std::sync::Arc;

use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use crate::authority::Credentials;

/// The configuration of the socket where peers are shown these credentials.
pub(crate) fn peer_endpoint_config(credentials: &Credentials) -> EndpointConfig {
    endpoint_config(credentials, "peer")
}

/// The configuration of the socket where clients are shown these credentials.
pub fn client_endpoint_config(credentials: &Credentials) -> EndpointConfig {
    endpoint_config(credentials, "client")
}

/// Each door has keys of its own.
fn endpoint_config(credentials: &Credentials, door: &str) -> EndpointConfig {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, credentials.key_pem.as_bytes());
    let derived =
        |purpose: &str| hmac::sign(&secret, format!("zareba {door} {purpose}").as_bytes());
    let reset = hmac::Key::new(hmac::HMAC_SHA256, derived("stateless reset").as_ref());
    let mut config = EndpointConfig::new(Arc::new(reset));
    // A packet is answered only if its connection could have been this server's.
    let own = derived("connection ids");
    let own = own.as_ref().first_chunk().copied().unwrap_or_default();
    let own = u64::from_be_bytes(own);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(own)));
    config
}
