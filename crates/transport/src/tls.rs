//! The TLS and QUIC settings of every door: TLS 1.3 only, never 0-RTT, one ALPN per door.
//!
//! rustls configurations are built by hand because quinn's own constructors allow 0-RTT data,
//! which an attacker may replay. Must never know files; it takes PEM texts.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::Credentials;
use crate::error::TlsError;

/// The peers' protocol, its version included: servers that do not share it never speak.
pub const PEER_ALPN: &[u8] = b"zareba-peer/1";

/// A server's side of the links between servers: the other side must show a certificate too.
pub fn peer_server_config(
    ca_pem: &str,
    credentials: &Credentials,
) -> Result<quinn::ServerConfig, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca_pem)?, provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier.build()?)
        .with_single_cert(chain(credentials)?, key(credentials)?)?;
    let mut config = server_config(tls, PEER_ALPN)?;
    config.transport_config(Arc::new(peer_transport()));
    config.migration(false);
    Ok(config)
}

/// The dialling side of the links between servers.
pub fn peer_client_config(
    ca_pem: &str,
    credentials: &Credentials,
) -> Result<quinn::ClientConfig, TlsError> {
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(ca_pem)?)
        .with_client_auth_cert(chain(credentials)?, key(credentials)?)?;
    let mut config = quic_client_config(tls, PEER_ALPN)?;
    config.transport_config(Arc::new(peer_transport()));
    Ok(config)
}

/// A server's door for clients. A client may show a certificate of `client_ca_pem`; it need not.
pub fn client_door_config(
    credentials: &Credentials,
    client_ca_pem: Option<&str>,
) -> Result<quinn::ServerConfig, TlsError> {
    let builder = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = match client_ca_pem {
        None => builder.with_no_client_auth(),
        Some(ca_pem) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca_pem)?, provider());
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        }
    };
    let tls = builder.with_single_cert(chain(credentials)?, key(credentials)?)?;
    let mut config = server_config(tls, zareba_wire::client::ALPN)?;
    config.transport_config(Arc::new(client_transport()));
    Ok(config)
}

/// A client's side, showing `credentials` if it has some.
pub fn client_config(
    ca_pem: &str,
    credentials: Option<&Credentials>,
) -> Result<quinn::ClientConfig, TlsError> {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(ca_pem)?);
    let tls = match credentials {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_auth_cert(chain(own)?, key(own)?)?,
    };
    let mut config = quic_client_config(tls, zareba_wire::client::ALPN)?;
    config.transport_config(Arc::new(client_transport()));
    Ok(config)
}

/// The first certificate of a PEM text.
pub(crate) fn leaf(credentials: &Credentials) -> Result<CertificateDer<'static>, TlsError> {
    let first = chain(credentials)?.into_iter().next();
    first.ok_or(TlsError::NoCertificate)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server_config(
    mut tls: rustls::ServerConfig,
    alpn: &[u8],
) -> Result<quinn::ServerConfig, TlsError> {
    tls.max_early_data_size = 0;
    tls.alpn_protocols = vec![alpn.to_vec()];
    let crypto = QuicServerConfig::try_from(tls)?;
    Ok(quinn::ServerConfig::with_crypto(Arc::new(crypto)))
}

fn quic_client_config(
    mut tls: rustls::ClientConfig,
    alpn: &[u8],
) -> Result<quinn::ClientConfig, TlsError> {
    tls.enable_early_data = false;
    tls.alpn_protocols = vec![alpn.to_vec()];
    let crypto = QuicClientConfig::try_from(tls)?;
    Ok(quinn::ClientConfig::new(Arc::new(crypto)))
}

fn roots(ca_pem: &str) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(Arc::new(roots))
}

fn chain(credentials: &Credentials) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = credentials.certificate_pem.as_bytes();
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(chain)
}

fn key(credentials: &Credentials) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = credentials.key_pem.as_bytes();
    Ok(PrivateKeyDer::from_pem_slice(pem)?)
}

/// Two lanes, wide windows: a follower that catches up takes many megabytes. Silence of five
/// seconds ends a link; Zab's own heartbeats notice a stuck peer long before.
fn peer_transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(2))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(PEER_STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(2 * PEER_STREAM_WINDOW_BYTES))
        .send_window(2 * u64::from(PEER_STREAM_WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        // Between servers the first guess of 333 ms would only delay the first retransmission.
        .initial_rtt(Duration::from_millis(50))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(PEER_IDLE_MS))))
        .keep_alive_interval(Some(Duration::from_millis(u64::from(PEER_IDLE_MS) / 5)));
    transport
}

/// One stream for the session and a few for bulk. Routers forget silent flows after 30 seconds.
fn client_transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(4))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(CLIENT_STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(2 * CLIENT_STREAM_WINDOW_BYTES))
        .send_window(2 * u64::from(CLIENT_STREAM_WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(CLIENT_IDLE_MS))))
        .keep_alive_interval(Some(Duration::from_millis(u64::from(CLIENT_IDLE_MS) / 3)));
    transport
}

/// Bytes in flight on one lane: 10 Gbit/s over 10 ms.
const PEER_STREAM_WINDOW_BYTES: u32 = 12 << 20;

/// Silence that ends a link between servers.
const PEER_IDLE_MS: u32 = 5_000;

/// Bytes in flight from one client: bounds a server's memory per client.
const CLIENT_STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// Silence that ends a client's connection (its session lives by its own timeout).
const CLIENT_IDLE_MS: u32 = 30_000;
