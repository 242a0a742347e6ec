//! One server, an ensemble of its own, spoken to over the raw native protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of a test may fail like the test itself"
)]

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::io::AsyncReadExt;
use zareba_model::{
    Acked, Acl, Answer, Change, Claim, CreateMode, Credential, Ensemble, ErrorCode, Fault, Op,
    Outcome, Read, ServerId, Write, Xid, ZnodePath, limits,
};
use zareba_server::{
    DoorLimits, IdentityFiles, RunningServer, Server, ServerConfig, ServerError, Timing,
};
use zareba_transport::{CertificateAuthority, client_config, server_name};
use zareba_wire::{
    ClientMessage, FrameDecoder, Hello, ServerMessage, Welcome, client, decode, encode_frame,
};

const ME: ServerId = ServerId(1);

/// Longest wait for any one message; only a broken server needs it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a server's certificate, and what a client needs to trust it.
struct Home {
    folder: tempfile::TempDir,
    ca_pem: String,
}

impl Home {
    fn new() -> Self {
        let authority = CertificateAuthority::create().unwrap();
        let credentials = authority
            .issue_server(ME, &["localhost".to_owned()])
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("server.pem", &credentials.certificate_pem);
        write("server.key", &credentials.key_pem);
        write("ca.pem", authority.certificate_pem());
        Self {
            ca_pem: authority.certificate_pem().to_owned(),
            folder,
        }
    }

    fn config(&self) -> ServerConfig {
        let file = |name: &str| self.folder.path().join(name);
        ServerConfig {
            id: ME,
            data_dir: file("data"),
            bootstrap: true,
            client_listen: "127.0.0.1:0".parse().unwrap(),
            peer_listen: "127.0.0.1:0".parse().unwrap(),
            ensemble: Ensemble::of_voters([ME]),
            identity: IdentityFiles {
                certificate: file("server.pem"),
                key: file("server.key"),
                ca: file("ca.pem"),
                client_ca: file("ca.pem"),
                ca_key: None,
            },
            names: Vec::new(),
            superusers: Vec::new(),
            audit_log: None,
            timing: Timing::default(),
            limits: DoorLimits::default(),
        }
    }

    async fn start(&self) -> RunningServer {
        Server::start(self.config()).await.unwrap()
    }
}

/// A client that speaks the protocol by hand.
struct RawClient {
    _endpoint: Endpoint,
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    decoder: FrameDecoder,
}

impl RawClient {
    async fn connect(home: &Home, server: &RunningServer) -> Self {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let config = client_config(&home.ca_pem, None).unwrap();
        let address = server.client_addr();
        let connecting = endpoint.connect_with(config, address, &server_name(ME));
        let connection = connecting.unwrap().await.unwrap();
        let (send, recv) = connection.open_bi().await.unwrap();
        Self {
            _endpoint: endpoint,
            connection,
            send,
            recv,
            decoder: FrameDecoder::new(limits::FRAME_BYTES_MAX),
        }
    }

    async fn say(&mut self, messages: &[ClientMessage]) {
        let mut bytes = BytesMut::new();
        for message in messages {
            encode_frame(message, &mut bytes).unwrap();
        }
        self.send.write_all(&bytes).await.unwrap();
    }

    /// The next message but those about members and the session's life; `None` once the server has ended the stream.
    async fn hear(&mut self) -> Option<ServerMessage> {
        loop {
            match self.hear_all().await {
                Some(ServerMessage::Members { .. } | ServerMessage::Renewed { .. }) => {}
                other => return other,
            }
        }
    }

    async fn hear_all(&mut self) -> Option<ServerMessage> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(decode(&frame).unwrap());
            }
            let buffer = self.decoder.buffer_mut();
            buffer.reserve(4096);
            let read = tokio::time::timeout(PATIENCE, self.recv.read_buf(buffer)).await;
            if read.expect("the server says something in time").ok()? == 0 {
                return None;
            }
        }
    }

    async fn reply(&mut self) -> (Xid, Answer) {
        match self.hear().await {
            Some(ServerMessage::Reply { xid, answer, .. }) => (xid, answer),
            other => panic!("expected a reply, got {other:?}"),
        }
    }

    async fn enter(&mut self) -> Welcome {
        self.greet(Vec::new()).await.unwrap()
    }

    /// Says hello with these claims, and hears whether it may come in.
    async fn greet(&mut self, claims: Vec<Claim>) -> Result<Welcome, Fault> {
        let hello = Hello::Open { timeout_ms: 10_000 };
        let version = client::VERSION;
        let hello = ClientMessage::Hello {
            version,
            hello,
            claims,
        };
        self.say(&[hello]).await;
        match self.hear().await {
            Some(ServerMessage::Welcome(welcome)) => Ok(welcome),
            Some(ServerMessage::Goodbye(fault)) => Err(fault),
            other => panic!("expected a welcome, got {other:?}"),
        }
    }
}

fn path(text: &str) -> ZnodePath {
    text.parse().unwrap()
}

fn request(xid: u64, op: Op) -> ClientMessage {
    ClientMessage::Request {
        xid: Xid(xid),
        acked: Acked::up_to(Xid(xid - 1)),
        op,
    }
}

fn create(at: &str, data: &'static str) -> Op {
    Op::Write(Write::Change(Change::Create {
        path: path(at),
        data: Bytes::from(data),
        mode: CreateMode::Persistent,
        acl: Acl::open(),
    }))
}

fn get(at: &str) -> Op {
    Op::Read(Read::Get {
        path: path(at),
        watch: false,
    })
}

async fn serving(server: &RunningServer) {
    let mut role = server.role();
    let leading = role.wait_for(|role| matches!(role, zareba_zab::Role::Leading { .. }));
    tokio::time::timeout(PATIENCE, leading)
        .await
        .unwrap()
        .unwrap();
}

fn data_of(answer: Answer) -> Bytes {
    match answer {
        Ok(Outcome::Got { data, .. }) => data,
        other => panic!("expected data, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_creates_a_node_and_reads_it_back() {
    let home = Home::new();
    let server = home.start().await;
    serving(&server).await;
    let mut client = RawClient::connect(&home, &server).await;
    let welcome = client.enter().await;
    assert_eq!(welcome.server, ME);
    assert!(!welcome.session.is_none());

    // Both at once: the read must see the write before it.
    let messages = [request(1, create("/a", "one")), request(2, get("/a"))];
    client.say(&messages).await;
    let (xid, created) = client.reply().await;
    assert_eq!(xid, Xid(1));
    assert!(matches!(created, Ok(Outcome::Created { path, .. }) if path == self::path("/a")));
    let (xid, got) = client.reply().await;
    assert_eq!((xid, data_of(got)), (Xid(2), Bytes::from("one")));

    client.say(&[request(3, get("/b"))]).await;
    let (_, missing) = client.reply().await;
    assert_eq!(missing.unwrap_err().code, ErrorCode::NoNode);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_restart() {
    let home = Home::new();
    let server = home.start().await;
    serving(&server).await;
    let mut client = RawClient::connect(&home, &server).await;
    client.enter().await;
    client
        .say(&[request(1, create("/kept", "still here"))])
        .await;
    assert!(client.reply().await.1.is_ok());
    server.shutdown().await.unwrap();

    let server = home.start().await;
    serving(&server).await;
    let mut client = RawClient::connect(&home, &server).await;
    client.enter().await;
    client.say(&[request(1, get("/kept"))]).await;
    assert_eq!(data_of(client.reply().await.1), Bytes::from("still here"));
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_requests_in_one_burst_are_answered_in_order() {
    const COUNT: u64 = 5_000;
    let home = Home::new();
    let server = home.start().await;
    serving(&server).await;
    let mut client = RawClient::connect(&home, &server).await;
    client.enter().await;
    let burst: Vec<_> = (1..=COUNT).map(|xid| request(xid, get("/"))).collect();
    client.say(&burst).await;
    for expected in 1..=COUNT {
        let (xid, answer) = client.reply().await;
        assert_eq!(xid, Xid(expected));
        assert!(answer.is_ok());
    }
    assert!(server.metrics().client_messages.value() > COUNT);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_needs_no_session() {
    let home = Home::new();
    let server = home.start().await;
    serving(&server).await;
    let mut client = RawClient::connect(&home, &server).await;
    client.say(&[ClientMessage::Status]).await;
    let Some(ServerMessage::Status(status)) = client.hear().await else {
        panic!("expected a status");
    };
    assert_eq!(status.server, ME);
    assert_eq!(status.role, "leading");
    assert_eq!(status.process, std::process::id());
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_nonsense_is_told_and_sent_away() {
    let home = Home::new();
    let server = home.start().await;
    let mut client = RawClient::connect(&home, &server).await;
    let nonsense = [3, 0, 0, 0, 250, 250, 250];
    client.send.write_all(&nonsense).await.unwrap();
    let Some(ServerMessage::Goodbye(fault)) = client.hear().await else {
        panic!("expected a goodbye");
    };
    assert_eq!(fault.code, ErrorCode::MarshallingError);
    assert!(client.hear().await.is_none());
    client.connection.closed().await;
    assert_eq!(server.metrics().connections_malformed.value(), 1);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_before_hello_is_refused() {
    let home = Home::new();
    let server = home.start().await;
    let mut client = RawClient::connect(&home, &server).await;
    client.say(&[request(1, get("/"))]).await;
    let Some(ServerMessage::Goodbye(fault)) = client.hear().await else {
        panic!("expected a goodbye");
    };
    assert_eq!(fault.code, ErrorCode::MarshallingError);
    assert!(fault.message.contains("Hello"), "{}", fault.message);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shuts_down_sends_its_clients_to_another() {
    let home = Home::new();
    let server = home.start().await;
    serving(&server).await;
    let mut client = RawClient::connect(&home, &server).await;
    client.enter().await;
    let (ended, goodbye) = tokio::join!(server.shutdown(), client.hear());
    assert_eq!(ended, Ok::<(), ServerError>(()));
    let Some(ServerMessage::Goodbye(fault)) = goodbye else {
        panic!("expected a goodbye");
    };
    assert_eq!(fault.code, ErrorCode::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_beyond_the_limit_are_refused_and_others_stay() {
    let home = Home::new();
    let mut config = home.config();
    config.limits.connections_per_address_max = 1;
    let server = Server::start(config).await.unwrap();
    serving(&server).await;
    let mut first = RawClient::connect(&home, &server).await;
    first.enter().await;
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = client_config(&home.ca_pem, None).unwrap();
    let connecting = endpoint.connect_with(config, server.client_addr(), &server_name(ME));
    assert!(connecting.unwrap().await.is_err());
    assert_eq!(server.metrics().connections_refused.value(), 1);
    first.say(&[request(1, get("/"))]).await;
    assert!(first.reply().await.1.is_ok());
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_identity_has_so_many_sessions_here_and_others_are_not_touched() {
    let home = Home::new();
    let mut config = home.config();
    config.limits.sessions_per_identity_max = 1;
    let server = Server::start(config).await.unwrap();
    serving(&server).await;
    let password = |text: &str| Claim {
        scheme: "digest".to_owned(),
        credential: Credential(text.to_owned()),
    };
    // By its address, and by a user's name.
    let mut by_address = RawClient::connect(&home, &server).await;
    by_address.enter().await;
    let mut by_name = RawClient::connect(&home, &server).await;
    by_name.greet(vec![password("app:secret")]).await.unwrap();

    let mut second = RawClient::connect(&home, &server).await;
    let fault = second.greet(vec![password("app:secret")]).await;
    let fault = fault.expect_err("the user has a session already");
    assert_eq!(fault.code, ErrorCode::Throttled);
    let names_both = ["digest:app ", "limits.sessions_per_identity_max"];
    assert!(
        names_both.iter().all(|it| fault.message.contains(it)),
        "{fault}"
    );
    second.connection.closed().await;
    assert_eq!(server.metrics().sessions_refused.value(), 1);
    assert_eq!(server.metrics().connections_malformed.value(), 0);
    // Whoever only uses the name has places of its own.
    let mut guesser = RawClient::connect(&home, &server).await;
    guesser.greet(vec![password("app:guess")]).await.unwrap();

    // The place is free again once the connection has ended.
    by_name.connection.close(0_u32.into(), b"");
    let freed = async {
        loop {
            let mut next = RawClient::connect(&home, &server).await;
            if next.greet(vec![password("app:secret")]).await.is_ok() {
                return next;
            }
        }
    };
    let mut next = tokio::time::timeout(PATIENCE, freed).await.unwrap();
    next.say(&[request(1, get("/"))]).await;
    assert!(next.reply().await.1.is_ok());
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_with_more_claims_than_a_session_has_identities_is_refused() {
    let home = Home::new();
    let server = home.start().await;
    serving(&server).await;
    let claims = |count: usize| -> Vec<Claim> {
        let claim = |number| Claim {
            scheme: "digest".to_owned(),
            credential: Credential(format!("user{number}:secret")),
        };
        (0..count).map(claim).collect()
    };
    let mut greedy = RawClient::connect(&home, &server).await;
    let refused = greedy.greet(claims(limits::IDENTITIES_MAX + 1)).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::TooLarge);
    greedy.connection.closed().await;
    let mut modest = RawClient::connect(&home, &server).await;
    modest.greet(claims(limits::IDENTITIES_MAX)).await.unwrap();
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_serves_one_server_at_a_time() {
    let home = Home::new();
    let server = home.start().await;
    let refused = Server::start(home.config()).await.unwrap_err().to_string();
    let data = Path::new("data");
    assert!(refused.contains(&data.display().to_string()), "{refused}");
    server.shutdown().await.unwrap();
    home.start().await.shutdown().await.unwrap();
}
