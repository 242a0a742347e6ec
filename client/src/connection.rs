//! One QUIC connection with its one stream: how it is dialled and how a session enters over it.
//! Knows no request.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, RecvStream, SendStream, TransportConfig};
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use zareba_model::limits::FRAME_BYTES_MAX;
use zareba_model::{Claim, Fault, ServerStatus, Sha256};
use zareba_wire::client::{ALPN, VERSION};
use zareba_wire::{
    ClientMessage, FrameDecoder, Hello, JoinMessage, Joined, ServerMessage, Welcome, WireError,
};

use crate::config::{ClientCertificate, Profile};
use crate::pinned::Pinned;
use crate::socket::Place;
use crate::{Error, clock, limits};

/// How to dial any server of an ensemble.
#[derive(Debug)]
pub(crate) struct Dialer {
    config: quinn::ClientConfig,
    server_name: String,
}

/// A connection that a session has entered.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) send: SendStream,
    pub(crate) recv: Receiver,
    pub(crate) guard: Guard,
    /// When the first message was about to be sent.
    pub(crate) hello_sent: Instant,
}

/// Closes the connection when dropped, so that the server need not wait for a timeout.
#[derive(Debug)]
pub(crate) struct Guard {
    connection: Connection,
    /// Kept so that the socket lives as long as the connection.
    place: Place,
}

/// The messages that come in.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: RecvStream,
    decoder: FrameDecoder,
    chunks: Vec<Bytes>,
}

/// Why a server did not let the session in.
#[derive(Debug)]
pub(crate) enum DialError {
    /// It was not reached, or did not speak the protocol.
    Unreachable(String),
    /// It said no.
    Refused(Fault),
}

impl Dialer {
    /// Trusts the profile's authority and nobody else, and shows the profile's certificate if it has one.
    pub(crate) fn new(profile: &Profile) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(profile.ca_pem.as_bytes()) {
            let certificate = certificate.map_err(untrusted)?;
            roots.add(certificate).map_err(untrusted)?;
        }
        if roots.is_empty() {
            return Err(untrusted("no certificate in it"));
        }
        let tls = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(untrusted)?
            .with_root_certificates(roots);
        let tls = match &profile.certificate {
            None => tls.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = parse_certificate(own)?;
                tls.with_client_auth_cert(chain, key).map_err(unusable)?
            }
        };
        Self::with(tls, &profile.server_name)
    }

    /// Trusts the authority with that fingerprint and nobody else.
    pub(crate) fn pinned(authority: Sha256, server_name: &str) -> Result<Self, Error> {
        let verifier = Pinned {
            authority,
            provider: provider(),
        };
        let tls = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(untrusted)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Self::with(tls, server_name)
    }

    fn with(mut tls: rustls::ClientConfig, server_name: &str) -> Result<Self, Error> {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // A replayed request would be executed before its session is known: no 0-RTT.
        tls.enable_early_data = false;
        // Room for tickets would be held for each client, and a server remembers only its last few.
        tls.resumption = Resumption::disabled();
        let quic = QuicClientConfig::try_from(tls).map_err(untrusted)?;
        let mut config = quinn::ClientConfig::new(Arc::new(quic));
        config.transport_config(Arc::new(transport()));
        Ok(Self {
            config,
            server_name: server_name.to_owned(),
        })
    }

    /// Connects to an endpoint, which is `host:port`, and enters with `hello`, a whole frame.
    pub(crate) async fn dial(
        &self,
        endpoint: &str,
        hello: Bytes,
    ) -> Result<(Link, Welcome), DialError> {
        let mut link = self.connect(endpoint, hello).await?;
        match link.first().await? {
            ServerMessage::Welcome(welcome) => Ok((link, welcome)),
            ServerMessage::Goodbye(fault) => Err(DialError::Refused(fault)),
            _ => Err(unreachable("the server's first message was no welcome")),
        }
    }

    /// Asks one server about itself, without a session.
    pub(crate) async fn status(&self, endpoint: &str) -> Result<ServerStatus, DialError> {
        let mut question = BytesMut::new();
        zareba_wire::encode_frame(&ClientMessage::Status, &mut question).map_err(unreachable)?;
        let mut link = self.connect(endpoint, question.freeze()).await?;
        match link.first().await? {
            ServerMessage::Status(status) => Ok(status),
            ServerMessage::Goodbye(fault) => Err(DialError::Refused(fault)),
            _ => Err(unreachable("the server did not answer with its status")),
        }
    }

    /// Asks one server to take a new one in.
    pub(crate) async fn join(
        &self,
        endpoint: &str,
        message: &JoinMessage,
    ) -> Result<Joined, DialError> {
        let mut frame = BytesMut::new();
        let message = ClientMessage::Join(message.clone());
        zareba_wire::encode_frame(&message, &mut frame).map_err(unreachable)?;
        let mut link = self.connect(endpoint, frame.freeze()).await?;
        match link.first().await? {
            ServerMessage::Joined(joined) => Ok(joined),
            ServerMessage::Goodbye(fault) => Err(DialError::Refused(fault)),
            _ => Err(unreachable("the server did not answer the request to join")),
        }
    }

    async fn connect(&self, endpoint: &str, first: Bytes) -> Result<Link, DialError> {
        let mut addresses = tokio::net::lookup_host(endpoint)
            .await
            .map_err(unreachable)?;
        let address = addresses
            .next()
            .ok_or_else(|| unreachable("the name has no address"))?;
        let (mut place, connecting) =
            Place::connect(&self.config, address, &self.server_name).map_err(unreachable)?;
        let connected = tokio::select! {
            connected = connecting => connected,
            () = place.refused() => return Err(unreachable("nobody listens there")),
        };
        if connected.as_ref().err().is_none_or(is_servers_word) {
            place.heard();
        }
        let connection = connected.map_err(unreachable)?;
        let guard = Guard { connection, place };
        let (mut send, stream) = guard.connection.open_bi().await.map_err(unreachable)?;
        let hello_sent = clock::now();
        send.write_chunk(first).await.map_err(unreachable)?;
        Ok(Link {
            hello_sent,
            send,
            recv: Receiver::new(stream),
            guard,
        })
    }
}

impl Link {
    async fn first(&mut self) -> Result<ServerMessage, DialError> {
        tokio::select! {
            biased;
            first = self.recv.first() => first.map_err(DialError::Unreachable),
            () = self.guard.refused() => Err(unreachable("the server is gone")),
        }
    }
}

impl Guard {
    /// How many datagrams have come from the server, acknowledgements included.
    pub(crate) fn datagrams(&self) -> u64 {
        self.connection.stats().udp_rx.datagrams
    }

    /// Returns once nobody listens at the server's address any more.
    pub(crate) async fn refused(&self) {
        self.place.refused().await;
    }

    /// The connection is of no more use; if not by the server's own word, nor is its socket to those
    /// who dial now.
    pub(crate) fn lost(&mut self) {
        let reason = self.connection.close_reason();
        if !reason.as_ref().is_some_and(is_servers_word) {
            self.place.lost();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.connection.close(0_u32.into(), b"");
    }
}

impl Receiver {
    fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::new(FRAME_BYTES_MAX),
            chunks: vec![Bytes::new(); limits::CHUNKS_MAX],
        }
    }

    /// Adds the messages that have come, at least one. An error means that there will be no more.
    pub(crate) async fn receive(
        &mut self,
        messages: &mut Vec<ServerMessage>,
    ) -> Result<(), String> {
        loop {
            while let Some(frame) = self.decoder.next_frame().map_err(text)? {
                messages.push(zareba_wire::decode(&frame).map_err(text)?);
            }
            if !messages.is_empty() {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// The first message, leaving those behind it for [`Receiver::receive`].
    async fn first(&mut self) -> Result<ServerMessage, String> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(text)? {
                return zareba_wire::decode(&frame).map_err(text);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        let chunks = self
            .stream
            .read_chunks(&mut self.chunks)
            .await
            .map_err(text)?;
        let count = chunks.ok_or("the server has ended the stream")?;
        for chunk in self.chunks.iter_mut().take(count) {
            self.decoder.feed(&std::mem::take(chunk));
        }
        Ok(())
    }
}

/// The frame of a hello with those claims.
pub(crate) fn encode_hello(hello: Hello, claims: Vec<Claim>) -> Result<Bytes, WireError> {
    let mut frame = BytesMut::new();
    let message = ClientMessage::Hello {
        version: VERSION,
        hello,
        claims,
    };
    zareba_wire::encode_frame_within(&message, FRAME_BYTES_MAX, &mut frame)?;
    Ok(frame.freeze())
}

/// Tuned for servers in the same data centre: a lost handshake packet is repeated soon.
fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .max_idle_timeout(Some(quinn::VarInt::from_u32(30_000).into()))
        .initial_rtt(Duration::from_millis(10))
        .max_concurrent_bidi_streams(0_u32.into())
        .max_concurrent_uni_streams(0_u32.into());
    transport
}

/// The connection has ended by something that the server sent, so that the way there is whole.
fn is_servers_word(error: &ConnectionError) -> bool {
    use ConnectionError as Error;
    match error {
        Error::TimedOut | Error::LocallyClosed | Error::CidsExhausted => false,
        Error::VersionMismatch
        | Error::TransportError(_)
        | Error::ConnectionClosed(_)
        | Error::ApplicationClosed(_)
        | Error::Reset => true,
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn untrusted(reason: impl ToString) -> Error {
    Error::Configuration(format!(
        "the profile's CA cannot be used: {}",
        reason.to_string()
    ))
}

fn parse_certificate(
    own: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = CertificateDer::pem_slice_iter(own.certificate_pem.as_bytes());
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(unusable)?;
    if chain.is_empty() {
        return Err(unusable("no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(own.key_pem.0.as_bytes()).map_err(unusable)?;
    Ok((chain, key))
}

fn unusable(reason: impl ToString) -> Error {
    Error::Configuration(format!(
        "the profile's own certificate and key cannot be used: {}",
        reason.to_string()
    ))
}

fn unreachable(reason: impl ToString) -> DialError {
    DialError::Unreachable(text(reason))
}

fn text(reason: impl ToString) -> String {
    reason.to_string()
}
