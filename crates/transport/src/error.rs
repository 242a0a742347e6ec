//! What can go wrong before a mesh stands. Once it stands, a failing link is an event, not an error.

use std::io;

use thiserror::Error;

/// Why certificates or keys cannot be used or made.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A certificate or key could not be made.
    #[error("making a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// A text is not the PEM of what it should be.
    #[error("reading PEM: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// rustls refuses the certificate, the key or their combination.
    #[error("configuring TLS: {0}")]
    Config(#[from] rustls::Error),
    /// The trusted roots cannot check anybody.
    #[error("configuring whom to trust: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// The cipher suite that QUIC begins with is missing.
    #[error("configuring QUIC: {0}")]
    Quic(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
    /// A PEM text has no certificate in it.
    #[error("there is no certificate in the PEM text")]
    NoCertificate,
    /// The certificate names no server, or several.
    #[error("the certificate does not name exactly one server as server-<id>.{0}")]
    NoServerId(&'static str),
    /// The certificate given to this server is another server's.
    #[error("this is server {me}, but its certificate is of server {named}")]
    OtherServer {
        /// The server that should run.
        me: zareba_model::ServerId,
        /// The server the certificate names.
        named: zareba_model::ServerId,
    },
}

/// Why a mesh cannot start.
#[derive(Debug, Error)]
pub enum MeshError {
    /// Certificates or keys are unusable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The UDP socket cannot be used.
    #[error("opening the peers' socket: {0}")]
    Socket(#[from] io::Error),
}
