//! A server that does nothing but what a test tells it to, message by message. Knows no tree.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use zareba_client::{Profile, ServerId, SessionId, Zxid};
use zareba_model::limits::FRAME_BYTES_MAX;
use zareba_model::{Answer, Claim, Op, Password, Xid};
use zareba_wire::client::{ALPN, VERSION};
use zareba_wire::{ClientMessage, FrameDecoder, Hello, ServerMessage, SessionKind, Welcome};

/// Longer than anything a test waits for, so that a mistake ends in a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const SESSION: SessionId = SessionId(0x1_0000_0001);
pub(crate) const PASSWORD: Password = Password([7; 16]);

/// A certificate authority of one test.
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = rcgen::Issuer::new(params, key);
        Self { issuer, pem }
    }

    pub(crate) fn profile<'a>(&self, servers: impl IntoIterator<Item = &'a FakeServer>) -> Profile {
        let endpoints = servers.into_iter().map(|server| server.address.to_string());
        Profile::new(endpoints, self.pem.clone())
    }

    /// A client's certificate and its key, in PEM.
    pub(crate) fn issue_client(&self, name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let purpose = rcgen::ExtendedKeyUsagePurpose::ClientAuth;
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server_config(&self) -> quinn::ServerConfig {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec![zareba_client::SERVER_NAME.to_owned()];
        let params = rcgen::CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let quic = QuicServerConfig::try_from(tls).unwrap();
        quinn::ServerConfig::with_crypto(Arc::new(quic))
    }
}

pub(crate) struct FakeServer {
    endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    id: ServerId,
}

impl FakeServer {
    /// Listens on a free port.
    pub(crate) fn start(id: u64, authority: &Authority) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint = Endpoint::server(authority.server_config(), any).unwrap();
        let address = endpoint.local_addr().unwrap();
        Self {
            endpoint,
            address,
            id: ServerId(id),
        }
    }

    /// The next connection, before its handshake.
    pub(crate) async fn incoming(&self) -> quinn::Incoming {
        self.endpoint.accept().await.unwrap()
    }

    /// The next client, with its stream.
    pub(crate) async fn accept(&self) -> Peer {
        let accepted = async {
            let connection = self.incoming().await.await.unwrap();
            let (send, recv) = connection.accept_bi().await.unwrap();
            let decoder = FrameDecoder::new(FRAME_BYTES_MAX);
            Peer {
                connection,
                send,
                recv,
                decoder,
                heard: 0,
                server: self.id,
            }
        };
        tokio::time::timeout(PATIENCE, accepted).await.unwrap()
    }

    /// The next client, which is given the session for `timeout_ms`.
    pub(crate) async fn welcome(&self, timeout_ms: u32) -> (Peer, Hello) {
        let mut peer = self.accept().await;
        let (hello, _) = peer.hello().await;
        peer.send(&[peer.granted(timeout_ms)]).await;
        (peer, hello)
    }

    /// The next client, which is given a session of this server's own.
    pub(crate) async fn welcome_local(&self, number: u64, zxid: Zxid) -> (Peer, Hello) {
        let mut peer = self.accept().await;
        let (hello, _) = peer.hello().await;
        peer.send(&[peer.granted_local(number, zxid)]).await;
        (peer, hello)
    }
}

/// One client's connection.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    send: SendStream,
    recv: RecvStream,
    decoder: FrameDecoder,
    /// Requests and pings that have come.
    heard: u64,
    server: ServerId,
}

impl Peer {
    pub(crate) fn granted(&self, timeout_ms: u32) -> ServerMessage {
        ServerMessage::Welcome(Welcome {
            version: VERSION,
            session: SESSION,
            password: PASSWORD,
            kind: SessionKind::Full,
            timeout_ms,
            server: self.server,
            zxid: Zxid::new(1, 1),
        })
    }

    pub(crate) fn granted_local(&self, number: u64, zxid: Zxid) -> ServerMessage {
        ServerMessage::Welcome(Welcome {
            version: VERSION,
            session: SessionId::local(number),
            password: Password([0; 16]),
            kind: SessionKind::Local,
            timeout_ms: 0,
            server: self.server,
            zxid,
        })
    }

    /// The hello that must come next, and the claims in it.
    pub(crate) async fn hello(&mut self) -> (Hello, Vec<Claim>) {
        match self.receive().await {
            ClientMessage::Hello {
                version: VERSION,
                hello,
                claims,
            } => (hello, claims),
            other => panic!("a hello of version {VERSION} was expected, not {other:?}"),
        }
    }

    /// Sends messages in one write.
    pub(crate) async fn send(&mut self, messages: &[ServerMessage]) {
        let mut frames = BytesMut::new();
        for message in messages {
            zareba_wire::encode_frame(message, &mut frames).unwrap();
        }
        self.send.write_all(&frames).await.unwrap();
    }

    /// The same, unless the client has gone.
    pub(crate) async fn try_send(&mut self, messages: &[ServerMessage]) -> Result<(), ()> {
        let mut frames = BytesMut::new();
        for message in messages {
            zareba_wire::encode_frame(message, &mut frames).unwrap();
        }
        self.send.write_all(&frames).await.map_err(|_| ())
    }

    /// The certificate that the client has shown, DER.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        let identity = self.connection.peer_identity()?;
        let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        chain.first().map(|certificate| certificate.to_vec())
    }

    pub(crate) async fn reply(&mut self, xid: u64, answer: Answer) {
        self.send(&[reply(xid, answer)]).await;
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> ClientMessage {
        let next = tokio::time::timeout(PATIENCE, self.next()).await;
        next.unwrap().expect("the client has left")
    }

    /// The next message; none once the client has left.
    pub(crate) async fn next(&mut self) -> Option<ClientMessage> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                let message = zareba_wire::decode(&frame).unwrap();
                self.heard += u64::from(!matches!(message, ClientMessage::Hello { .. }));
                return Some(message);
            }
            let chunk = self.recv.read_chunk(usize::MAX, true).await.ok()??;
            self.decoder.feed(&chunk.bytes);
        }
    }

    /// The next message, if it comes so soon.
    pub(crate) async fn receive_within(&mut self, patience: Duration) -> Option<ClientMessage> {
        tokio::time::timeout(patience, self.receive()).await.ok()
    }

    /// The next request: its xid, what it acknowledges, and what it wants. Pings are answered.
    pub(crate) async fn request(&mut self) -> (u64, u64, Op) {
        loop {
            match self.receive().await {
                ClientMessage::Request { xid, acked, op } => return (xid.0, acked.up_to.0, op),
                ClientMessage::Ping => {
                    let told = self.pong(Zxid::new(1, 1));
                    self.send(&told).await;
                }
                other => panic!("a request was expected, not {other:?}"),
            }
        }
    }

    /// What answers a ping: the server lives, and the leader has heard of the session.
    pub(crate) fn pong(&self, zxid: Zxid) -> [ServerMessage; 2] {
        let heard = self.heard;
        [
            ServerMessage::Pong { zxid },
            ServerMessage::Renewed { heard },
        ]
    }

    /// Breaks the connection.
    pub(crate) fn cut(self) {
        self.connection.close(1_u32.into(), b"cut");
    }
}

/// A reply of a server whose tree is as many transactions old as the request's number plus one.
pub(crate) fn reply(xid: u64, answer: Answer) -> ServerMessage {
    let zxid = Zxid::new(1, u32::try_from(xid).unwrap() + 1);
    ServerMessage::Reply {
        xid: Xid(xid),
        zxid,
        answer,
    }
}
