//! What a server's socket keeps over a restart, so that its peers soon see that it was one.
//!
//! A killed server says no goodbye. When it is back at its port, peers still send to connections
//! that it knows nothing of; QUIC lets it answer with a stateless reset, which they believe if it
//! is made with the key of the old connection. So the key comes from the server's private key:
//! with one made anew at each start, peers would talk to nobody until their patience ends, and a
//! leader's death in that time would leave an ensemble without a quorum that hears each other.
//! Must never know what is sent.

use std::sync::Arc;

use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use crate::authority::Credentials;

/// The configuration of the socket where these credentials are shown.
pub(crate) fn endpoint_config(credentials: &Credentials) -> EndpointConfig {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, credentials.key_pem.as_bytes());
    let reset = hmac::sign(&secret, b"zareba peer stateless reset");
    let mut config =
        EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, reset.as_ref())));
    // A packet is answered only if its connection could have been this server's.
    let own = hmac::sign(&secret, b"zareba peer connection ids");
    let own = own.as_ref().first_chunk().copied().unwrap_or_default();
    let own = u64::from_be_bytes(own);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(own)));
    config
}
