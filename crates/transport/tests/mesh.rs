//! Meshes on loopback: order, loss of links, strangers, and lanes that do not hold each other up.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use zareba_model::{Entry, Epoch, Relay, ServerId, SessionId, Zxid};
use zareba_transport::{
    CertificateAuthority, Credentials, Mesh, MeshConfig, MeshError, MeshEvent, MeshHandle,
    PeerMessage, QUEUE_BYTES_MAX, TlsError, peer_client_config, server_name,
};
use zareba_zab::Message;

const ONE: ServerId = ServerId(1);
const TWO: ServerId = ServerId(2);
const THREE: ServerId = ServerId(3);

struct Node {
    mesh: MeshHandle,
    events: mpsc::UnboundedReceiver<MeshEvent>,
}

impl Node {
    fn try_start(config: MeshConfig) -> Result<Self, MeshError> {
        let (sender, events) = mpsc::unbounded_channel();
        let sink = Arc::new(move |event| drop(sender.send(event)));
        let mesh = Mesh::start(config, sink)?;
        Ok(Self { mesh, events })
    }

    fn start(config: MeshConfig) -> Self {
        Self::try_start(config).unwrap()
    }

    async fn next(&mut self) -> MeshEvent {
        let event = tokio::time::timeout(Duration::from_secs(60), self.events.recv());
        event.await.unwrap().unwrap()
    }

    /// Passes over what comes until `wanted` does.
    async fn wait_for(&mut self, wanted: &MeshEvent) {
        while self.next().await != *wanted {}
    }

    /// True if nothing has come, now that something else is known to have happened after it.
    fn is_silent(&mut self) -> bool {
        self.events.try_recv().is_err()
    }
}

fn socket() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn config(
    authority: &CertificateAuthority,
    me: ServerId,
    socket: UdpSocket,
    peers: &[(ServerId, &str)],
) -> MeshConfig {
    let peers = peers
        .iter()
        .map(|(id, address)| (*id, vec![(*address).to_owned()]));
    MeshConfig {
        me,
        socket,
        peers: peers.collect(),
        ca_pem: authority.certificate_pem().to_owned(),
        credentials: authority.issue_server(me, &[]).unwrap(),
        queue_bytes_max: QUEUE_BYTES_MAX,
    }
}

fn ack(counter: u32) -> PeerMessage {
    PeerMessage::Zab(Message::Ack {
        epoch: Epoch(1),
        zxid: Zxid::new(1, counter),
    })
}

fn touch() -> PeerMessage {
    PeerMessage::Relay(Relay::Touch {
        sessions: vec![SessionId(9)],
        question: None,
    })
}

fn received(from: ServerId, message: PeerMessage) -> MeshEvent {
    MeshEvent::Received { from, message }
}

/// Servers 1 and 2, linked.
async fn pair() -> (CertificateAuthority, Node, Node) {
    let authority = CertificateAuthority::create().unwrap();
    let ((first, first_address), (second, second_address)) = (socket(), socket());
    let peers = [(TWO, second_address.as_str())];
    let mut one = Node::start(config(&authority, ONE, first, &peers));
    let peers = [(ONE, first_address.as_str())];
    let mut two = Node::start(config(&authority, TWO, second, &peers));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));
    (authority, one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_both_ways_in_order() {
    let (_, mut one, mut two) = pair().await;
    for counter in 0..2_000 {
        one.mesh.send(&[TWO], &ack(counter)).unwrap();
        two.mesh.send(&[ONE], &ack(counter)).unwrap();
    }
    two.mesh.send(&[ONE], &touch()).unwrap();
    for counter in 0..2_000 {
        assert_eq!(two.next().await, received(ONE, ack(counter)));
        assert_eq!(one.next().await, received(TWO, ack(counter)));
    }
    assert_eq!(one.next().await, received(TWO, touch()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_looked_for_at_each_of_its_addresses() {
    let authority = CertificateAuthority::create().unwrap();
    let ((first, first_address), (second, second_address)) = (socket(), socket());
    let peers = [(TWO, second_address.as_str())];
    let mut one = Node::start(config(&authority, ONE, first, &peers));
    // Nobody has listened there since the test began.
    let (_unheard, elsewhere) = socket();
    let mut looking = config(&authority, TWO, second, &[]);
    looking.peers.insert(ONE, vec![elsewhere, first_address]);
    let mut two = Node::start(looking);
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_have_one_link_per_pair() {
    let authority = CertificateAuthority::create().unwrap();
    let mut sockets = Vec::new();
    let mut addresses = BTreeMap::new();
    for id in [ONE, TWO, THREE] {
        let (socket, address) = socket();
        sockets.push((id, socket));
        addresses.insert(id, address);
    }
    let mut nodes = Vec::new();
    for (me, socket) in sockets {
        let others = addresses.iter().filter(|(id, _)| **id != me);
        let peers: Vec<_> = others
            .map(|(id, address)| (*id, address.as_str()))
            .collect();
        nodes.push(Node::start(config(&authority, me, socket, &peers)));
    }
    for node in &mut nodes {
        let ups = [node.next().await, node.next().await];
        assert!(ups.iter().all(|up| matches!(up, MeshEvent::PeerUp(_))));
        assert_ne!(ups[0], ups[1]);
    }
    // One encoding goes to both others; nobody else hears it.
    nodes[0].mesh.send(&[TWO, THREE], &ack(1)).unwrap();
    assert_eq!(nodes[1].next().await, received(ONE, ack(1)));
    assert_eq!(nodes[2].next().await, received(ONE, ack(1)));
    nodes[2].mesh.send(&[TWO], &ack(2)).unwrap();
    assert_eq!(nodes[1].next().await, received(THREE, ack(2)));
    assert!(nodes[0].is_silent());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_come_back_after_either_side_has_restarted_at_its_port() {
    let (authority, mut one, mut two) = pair().await;
    let addresses = [one.mesh.local_addr(), two.mesh.local_addr()].map(|a| a.to_string());
    one.mesh.close().await;
    assert_eq!(one.next().await, MeshEvent::PeerDown(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerDown(ONE));
    drop(one);

    let mut one = Node::start(config(
        &authority,
        ONE,
        bind_again(&addresses[0]).await,
        &[(TWO, &addresses[1])],
    ));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));

    two.mesh.close().await;
    drop(two);
    assert_eq!(one.next().await, MeshEvent::PeerDown(TWO));
    let mut two = Node::start(config(
        &authority,
        TWO,
        bind_again(&addresses[1]).await,
        &[(ONE, &addresses[0])],
    ));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));
    two.mesh.send(&[ONE], &ack(3)).unwrap();
    assert_eq!(one.next().await, received(TWO, ack(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_died_without_a_word_and_is_back_is_not_taken_for_its_former_self() {
    let authority = CertificateAuthority::create().unwrap();
    let ((first, first_address), (second, second_address)) = (socket(), socket());
    let peers = [(TWO, second_address.as_str())];
    let former = config(&authority, ONE, first, &peers);
    let credentials = former.credentials.clone();
    // With its runtime everything of a mesh is gone at once, as with a process.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut one = runtime.spawn(async { Node::start(former) }).await.unwrap();
    let peers = [(ONE, first_address.as_str())];
    let mut two = Node::start(config(&authority, TWO, second, &peers));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));
    runtime.shutdown_background();
    drop(one);

    let socket = bind_again(&first_address).await;
    let peers = [(TWO, second_address.as_str())];
    let mut one = Node::start(MeshConfig {
        credentials,
        ..config(&authority, ONE, socket, &peers)
    });
    two.mesh.send(&[ONE], &ack(1)).unwrap();
    // Silence alone would take longer.
    let down = tokio::time::timeout(Duration::from_secs(4), two.next());
    assert_eq!(down.await.unwrap(), MeshEvent::PeerDown(ONE));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_died_without_a_word_is_known_to_be_gone_by_its_hosts_word() {
    let authority = CertificateAuthority::create().unwrap();
    let ((first, first_address), (second, second_address)) = (socket(), socket());
    let peers = [(TWO, second_address.as_str())];
    let former = config(&authority, ONE, first, &peers);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut one = runtime.spawn(async { Node::start(former) }).await.unwrap();
    let peers = [(ONE, first_address.as_str())];
    let mut two = Node::start(config(&authority, TWO, second, &peers));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));
    two.mesh.send(&[ONE], &ack(1)).unwrap();
    one.wait_for(&received(TWO, ack(1))).await;
    // Whoever refuses at once is not believed: the link has to have stood for some moments.
    tokio::time::sleep(Duration::from_millis(200)).await;
    runtime.shutdown_background();
    drop(one);
    // Silence alone would take longer.
    let down = tokio::time::timeout(Duration::from_secs(4), two.next());
    assert_eq!(down.await.unwrap(), MeshEvent::PeerDown(ONE));
}

/// The old endpoint's driver gives its socket up a moment after its last handle.
async fn bind_again(address: &str) -> UdpSocket {
    let bound = async {
        loop {
            match UdpSocket::bind(address) {
                Ok(socket) => return socket,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), bound)
        .await
        .unwrap()
}

/// Connects to a mesh as a dialling peer would, and says how the mesh ended it.
async fn knock(at: SocketAddr, ca: &CertificateAuthority, shown: &Credentials) -> String {
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = peer_client_config(ca.certificate_pem(), shown).unwrap();
    endpoint.set_default_client_config(config);
    match endpoint.connect(at, &server_name(ONE)).unwrap().await {
        Ok(connection) => connection.closed().await.to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_and_the_link_is_not_disturbed() {
    let (authority, mut one, mut two) = pair().await;
    let at = one.mesh.local_addr();

    // Of another authority, though it names a peer.
    let other = CertificateAuthority::create().unwrap();
    let forged = other.issue_server(TWO, &[]).unwrap();
    let ended = knock(at, &authority, &forged).await;
    assert!(
        ended.contains("unknown") || ended.contains("certificate"),
        "{ended}"
    );

    // Of the right authority, but of a server outside the ensemble, or of a mere client.
    let outsider = authority.issue_server(ServerId(9), &[]).unwrap();
    let ended = knock(at, &authority, &outsider).await;
    assert!(ended.contains("not a peer"), "{ended}");
    let client = authority.issue_client("app").unwrap();
    let ended = knock(at, &authority, &client).await;
    assert!(ended.contains("not a peer"), "{ended}");

    // Server 1's own certificate shown to server 1 by somebody else.
    let double = authority.issue_server(ONE, &[]).unwrap();
    let ended = knock(at, &authority, &double).await;
    assert!(ended.contains("not a peer"), "{ended}");

    two.mesh.send(&[ONE], &ack(1)).unwrap();
    assert_eq!(one.next().await, received(TWO, ack(1)));
    assert!(two.is_silent());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_for_another_is_not_believed() {
    let authority = CertificateAuthority::create().unwrap();
    let ((first, first_address), (second, second_address)) = (socket(), socket());
    let (third, third_address) = socket();
    // Server 3 is told that server 1 lives where in truth server 2 does.
    let wrong = [
        (ONE, second_address.as_str()),
        (TWO, second_address.as_str()),
    ];
    let mut three = Node::start(config(&authority, THREE, third, &wrong));
    let peers = [
        (ONE, first_address.as_str()),
        (THREE, third_address.as_str()),
    ];
    let mut two = Node::start(config(&authority, TWO, second, &peers));
    assert_eq!(three.next().await, MeshEvent::PeerUp(TWO));
    two.wait_for(&MeshEvent::PeerUp(THREE)).await;
    let peers = [
        (TWO, second_address.as_str()),
        (THREE, third_address.as_str()),
    ];
    let mut one = Node::start(config(&authority, ONE, first, &peers));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    two.wait_for(&MeshEvent::PeerUp(ONE)).await;
    two.mesh.send(&[THREE], &ack(1)).unwrap();
    assert_eq!(three.next().await, received(TWO, ack(1)));
    assert!(one.is_silent() && three.is_silent());
}

#[tokio::test]
async fn a_server_does_not_start_with_another_servers_certificate() {
    let authority = CertificateAuthority::create().unwrap();
    let mut config = config(&authority, ONE, socket().0, &[]);
    config.credentials = authority.issue_server(TWO, &[]).unwrap();
    let refused = Node::try_start(config).err().unwrap();
    let MeshError::Tls(TlsError::OtherServer { me, named }) = refused else {
        panic!("{refused}");
    };
    assert_eq!((me, named), (ONE, TWO));
}

#[test]
fn an_authority_that_was_kept_signs_as_before() {
    let created = CertificateAuthority::create().unwrap();
    let loaded = CertificateAuthority::load(created.certificate_pem(), &created.key_pem()).unwrap();
    let credentials = loaded.issue_server(ONE, &["localhost".to_owned()]).unwrap();
    zareba_transport::peer_server_config(created.certificate_pem(), &credentials).unwrap();
    assert_eq!(format!("{credentials:?}"), "Credentials(redacted)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_frame_ends_its_link_and_no_other() {
    let authority = CertificateAuthority::create().unwrap();
    let ((first, first_address), (second, second_address)) = (socket(), socket());
    let peers = [(TWO, second_address.as_str()), (THREE, "127.0.0.1:1")];
    let mut one = Node::start(config(&authority, ONE, first, &peers));
    let peers = [(ONE, first_address.as_str())];
    let mut two = Node::start(config(&authority, TWO, second, &peers));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));

    // Server 3 speaks the protocol by hand, up to a frame of four gigabytes.
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let shown = authority.issue_server(THREE, &[]).unwrap();
    let config = peer_client_config(authority.certificate_pem(), &shown).unwrap();
    endpoint.set_default_client_config(config);
    let at = one.mesh.local_addr();
    let connection = endpoint
        .connect(at, &server_name(ONE))
        .unwrap()
        .await
        .unwrap();
    let mut ordered = connection.open_bi().await.unwrap();
    let mut bulk = connection.open_bi().await.unwrap();
    ordered.0.write_all(&[1]).await.unwrap();
    bulk.0.write_all(&[2]).await.unwrap();
    assert_eq!(one.next().await, MeshEvent::PeerUp(THREE));
    ordered.0.write_all(&[0xff; 4]).await.unwrap();
    assert_eq!(one.next().await, MeshEvent::PeerDown(THREE));
    let ended = connection.closed().await.to_string();
    assert!(ended.contains("no message"), "{ended}");

    two.mesh.send(&[ONE], &ack(1)).unwrap();
    assert_eq!(one.next().await, received(TWO, ack(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_overtakes_fifty_megabytes_of_snapshot() {
    const PIECES: u64 = 50;
    let (_, one, mut two) = pair().await;
    let records = Bytes::from(vec![0xa5; 1 << 20]);
    for sequence in 0..PIECES {
        let chunk = PeerMessage::Relay(Relay::SnapshotChunk {
            base: Zxid::new(1, 1),
            sequence,
            records: records.clone(),
            end: None,
        });
        one.mesh.send(&[TWO], &chunk).unwrap();
    }
    one.mesh.send(&[TWO], &ack(1)).unwrap();
    let mut before = 0;
    let mut pieces = 0;
    let mut overtook = false;
    while pieces < PIECES || !overtook {
        match two.next().await {
            MeshEvent::Received { message, .. } if message == ack(1) => {
                overtook = true;
                before = pieces;
            }
            MeshEvent::Received {
                message: PeerMessage::Relay(Relay::SnapshotChunk { sequence, .. }),
                ..
            } => {
                assert_eq!(sequence, pieces);
                pieces += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // What was in flight already goes first: at most a window of it.
    assert!(before < 26, "{before} of {PIECES} pieces came first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_over_its_bound_ends_the_link_and_a_new_one_follows() {
    let authority = CertificateAuthority::create().unwrap();
    let ((first, first_address), (second, second_address)) = (socket(), socket());
    let peers = [(TWO, second_address.as_str())];
    let mut bounded = config(&authority, ONE, first, &peers);
    bounded.queue_bytes_max = 1 << 20;
    let mut one = Node::start(bounded);
    let peers = [(ONE, first_address.as_str())];
    let mut two = Node::start(config(&authority, TWO, second, &peers));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));

    let propose = PeerMessage::Zab(Message::Propose {
        epoch: Epoch(1),
        after: Zxid::ZERO,
        entries: vec![Entry {
            zxid: Zxid::new(1, 1),
            payload: Bytes::from(vec![1; 1 << 20]),
        }],
        committed: Zxid::ZERO,
    });
    for _ in 0..64 {
        one.mesh.send(&[TWO], &propose).unwrap();
    }
    assert_eq!(one.next().await, MeshEvent::PeerDown(TWO));
    assert_eq!(one.next().await, MeshEvent::PeerUp(TWO));
    two.wait_for(&MeshEvent::PeerDown(ONE)).await;
    assert_eq!(two.next().await, MeshEvent::PeerUp(ONE));
    one.mesh.send(&[TWO], &ack(2)).unwrap();
    assert_eq!(two.next().await, received(ONE, ack(2)));
}
