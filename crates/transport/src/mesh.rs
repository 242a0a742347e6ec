//! The mesh: a task for each peer that keeps one link to it, and the handle to send by.
//!
//! Events of one peer come in this order: `PeerUp`, what it sent, `PeerDown`, and so on; each
//! peer's task runs one link at a time and ends it before the next begins, so nothing of an older
//! link is delivered after a newer one's `PeerUp`. Must never know what the messages mean.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::{Connection, Endpoint, Incoming, TokioRuntime};
use rand::Rng;
use rustls_pki_types::CertificateDer;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use zareba_model::ServerId;
use zareba_model::limits::PEER_FRAME_BYTES_MAX;
use zareba_wire::WireError;

use crate::authority::Credentials;
use crate::codec::{PeerMessage, encode};
use crate::endpoint::peer_endpoint_config;
use crate::error::{MeshError, TlsError};
use crate::identity::{server_id, server_name};
use crate::link::{CLOSE_NORMAL, CLOSE_REPLACED, CLOSE_STRANGER, Link, MessageSink};
use crate::outbox::Outbox;
use crate::socket::enlarge_buffers;
use crate::tls::{leaf, peer_client_config, peer_server_config};

/// What a mesh tells.
#[derive(Debug, PartialEq, Eq)]
pub enum MeshEvent {
    /// A link to this peer stands.
    PeerUp(ServerId),
    /// It is gone, and with it whatever was not received yet, in both directions.
    PeerDown(ServerId),
    /// The peer sent this on the link that stands.
    Received {
        /// Who; its certificate proves it.
        from: ServerId,
        /// What.
        message: PeerMessage,
    },
}

/// Where a mesh's events go, called from the runtime's threads: it must not block.
pub type EventSink = Arc<dyn Fn(MeshEvent) + Send + Sync>;

/// What a mesh needs to start.
#[derive(Debug)]
pub struct MeshConfig {
    /// This server.
    pub me: ServerId,
    /// Where it hears its peers, bound already.
    pub socket: UdpSocket,
    /// Where each of the others may be, as `host:port`, tried in turn and looked up at every attempt
    /// to connect. Which server answers, its certificate says.
    pub peers: BTreeMap<ServerId, Vec<String>>,
    /// Certificates of the authority that all servers trust.
    pub ca_pem: String,
    /// This server's own certificate and key.
    pub credentials: Credentials,
    /// Most bytes that wait on one lane of one link, usually [`QUEUE_BYTES_MAX`].
    pub queue_bytes_max: usize,
}

/// A usual bound on one lane's queue: two frames of the largest size.
pub const QUEUE_BYTES_MAX: usize = 2 * PEER_FRAME_BYTES_MAX;

/// Starts meshes.
#[derive(Debug)]
pub struct Mesh;

impl Mesh {
    /// Starts the tasks of a mesh on the current tokio runtime.
    pub fn start(config: MeshConfig, sink: EventSink) -> Result<MeshHandle, MeshError> {
        let named = server_id(&leaf(&config.credentials)?)?;
        if named != config.me {
            let me = config.me;
            return Err(TlsError::OtherServer { me, named }.into());
        }
        enlarge_buffers(&config.socket)?;
        let mut endpoint = Endpoint::new(
            peer_endpoint_config(&config.credentials),
            Some(peer_server_config(&config.ca_pem, &config.credentials)?),
            config.socket,
            Arc::new(TokioRuntime),
        )?;
        let dialler = peer_client_config(&config.ca_pem, &config.credentials)?;
        endpoint.set_default_client_config(dialler);
        let shared = Arc::new(Shared {
            me: config.me,
            local_addr: endpoint.local_addr()?,
            endpoint,
            sink,
            outboxes: Mutex::default(),
            doors: Mutex::default(),
            peers: watch::Sender::new(config.peers),
            closing: watch::Sender::new(false),
            queue_bytes_max: config.queue_bytes_max,
        });

        let mut tasks = JoinSet::new();
        tasks.spawn(keep_peers(shared.clone()));
        tasks.spawn(answer_door(shared.clone()));
        let tasks = Arc::new(tokio::sync::Mutex::new(tasks));
        Ok(MeshHandle { shared, tasks })
    }
}

/// Sends to peers. Clones are the same mesh; when the last is dropped, the mesh ends abruptly.
#[derive(Clone)]
pub struct MeshHandle {
    shared: Arc<Shared>,
    tasks: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

impl MeshHandle {
    /// Queues a message for each of these peers, encoded once. A peer without a link misses it;
    /// a peer whose queue overflows loses its link. Refuses only what no frame may hold.
    ///
    /// A message takes the link that stands now. If that is newer than the last `PeerUp` the
    /// caller has seen, the peer hears something meant for its older link: broadcast messages
    /// name their attempt to join, so that it can tell.
    pub fn send(&self, to: &[ServerId], message: &PeerMessage) -> Result<(), WireError> {
        let frame = encode(message)?;
        let outboxes = self.shared.outboxes();
        for outbox in to.iter().filter_map(|peer| outboxes.get(peer)) {
            outbox.push(message.lane(), frame.clone());
        }
        Ok(())
    }

    /// These are the peers from now on, with the addresses where they may be, none if unknown.
    /// A link to a server that is no peer any more ends a little later, so that it can still be
    /// told so; a link that stands stays when its peer's addresses change, and the next one is
    /// dialled at a new address.
    pub fn set_peers(&self, peers: BTreeMap<ServerId, Vec<String>>) {
        self.shared.peers.send_replace(peers);
    }

    /// Tells all peers that this server goes and waits until they can have heard it. There is a
    /// `PeerDown` for each link, and no event after this returns.
    pub async fn close(&self) {
        self.shared.closing.send_replace(true);
        self.shared.endpoint.close(CLOSE_NORMAL, b"going");
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
        self.shared.endpoint.wait_idle().await;
    }

    /// Where this server hears its peers.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }
}

impl std::fmt::Debug for MeshHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MeshHandle({})", self.shared.local_addr)
    }
}

struct Shared {
    me: ServerId,
    endpoint: Endpoint,
    local_addr: SocketAddr,
    sink: EventSink,
    /// Invariant: holds a peer exactly while its link stands.
    outboxes: Mutex<BTreeMap<ServerId, Arc<Outbox>>>,
    /// Where connections of the peers go that dial this server.
    doors: Mutex<BTreeMap<ServerId, Door>>,
    /// Who the peers are, and where.
    peers: watch::Sender<BTreeMap<ServerId, Vec<String>>>,
    closing: watch::Sender<bool>,
    queue_bytes_max: usize,
}

/// Where a peer's task takes connections from.
type Door = mpsc::Sender<Connection>;

/// What the task of one peer is told while it runs.
#[derive(Clone)]
struct Orders {
    /// Where the peer may be.
    addresses: watch::Receiver<Vec<String>>,
    /// True once it is a peer no more.
    leaving: watch::Receiver<bool>,
}

impl Orders {
    /// Returns a little after the peer has become none.
    async fn left(&mut self) {
        loop {
            if self.leaving.wait_for(|leaving| *leaving).await.is_err() {
                return;
            }
            let back = self.leaving.wait_for(|leaving| !*leaving);
            if tokio::time::timeout(LINGER, back).await.is_err() {
                return;
            }
        }
    }
}

impl Shared {
    fn outboxes(&self) -> MutexGuard<'_, BTreeMap<ServerId, Arc<Outbox>>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doors(&self) -> MutexGuard<'_, BTreeMap<ServerId, Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one link from its connection to its end; true if it ever stood.
    async fn run_link(&self, peer: ServerId, connection: Connection, orders: &mut Orders) -> bool {
        let link = match Link::establish(connection.clone()).await {
            Ok(link) => link,
            Err(error) if error.is_refusal() => {
                tracing::warn!(
                    %peer,
                    "that server refuses this one as no member of its ensemble; if this server was \
                     removed, stop it; if it was added just now, the other will learn so"
                );
                return false;
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "no link");
                return false;
            }
        };
        let outbox = Arc::new(Outbox::new(self.queue_bytes_max));
        // Before the event, so that its reader can answer at once.
        let previous = self.outboxes().insert(peer, outbox.clone());
        assert!(previous.is_none(), "one link per peer");
        tracing::info!(%peer, "link up");
        (self.sink)(MeshEvent::PeerUp(peer));
        let sink = self.sink.clone();
        let received: MessageSink = Arc::new(move |message| {
            sink(MeshEvent::Received {
                from: peer,
                message,
            })
        });
        let mut running = std::pin::pin!(link.run(outbox, received));
        let error = tokio::select! {
            error = &mut running => error,
            () = orders.left() => {
                connection.close(CLOSE_STRANGER, b"not a peer any more");
                running.await
            }
        };
        self.outboxes().remove(&peer);
        tracing::info!(%peer, %error, "link down");
        (self.sink)(MeshEvent::PeerDown(peer));
        true
    }

    /// Waits, but not beyond the mesh's end; true if the mesh goes on.
    async fn pause(&self, time: Duration) -> bool {
        let mut closing = self.closing.subscribe();
        let closed = closing.wait_for(|closing| *closing);
        tokio::time::timeout(time, closed).await.is_err()
    }

    async fn dial(&self, peer: ServerId, address: &str) -> Option<Connection> {
        let mut found = tokio::net::lookup_host(address).await.ok()?;
        let family = self.local_addr.is_ipv6();
        let address = found.find(|found| found.is_ipv6() == family)?;
        let connecting = self.endpoint.connect(address, &server_name(peer));
        match tokio::time::timeout(DIAL_TIME_MAX, connecting.ok()?).await {
            Ok(Ok(connection)) => Some(connection),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "cannot connect");
                None
            }
            Err(_) => None,
        }
    }
}

/// The task of one peer, as its keeper sees it.
struct Tended {
    addresses: watch::Sender<Vec<String>>,
    leaving: watch::Sender<bool>,
}

/// Keeps a task for each peer, and for nobody else.
async fn keep_peers(shared: Arc<Shared>) {
    let mut peers = shared.peers.subscribe();
    let mut closing = shared.closing.subscribe();
    let mut tended: BTreeMap<ServerId, Tended> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted = peers.borrow_and_update().clone();
        for (peer, it) in &tended {
            it.leaving.send_replace(!wanted.contains_key(peer));
        }
        for (peer, addresses) in wanted {
            if peer == shared.me {
                continue;
            }
            match tended.get(&peer).filter(|it| !it.leaving.is_closed()) {
                Some(it) => drop(it.addresses.send_replace(addresses)),
                None => drop(tended.insert(peer, tend(&shared, peer, addresses, &mut tasks))),
            }
        }
        tokio::select! {
            changed = peers.changed() => if changed.is_err() { break },
            _ = closing.wait_for(|closing| *closing) => break,
            // Its peer may have become one again in its last moment.
            Some(_) = tasks.join_next() => {}
        }
    }
    shared.doors().clear();
    while tasks.join_next().await.is_some() {}
}

/// Begins to keep a link to a peer. Of each pair the server with the larger id dials.
fn tend(
    shared: &Arc<Shared>,
    peer: ServerId,
    addresses: Vec<String>,
    tasks: &mut JoinSet<()>,
) -> Tended {
    let tended = Tended {
        addresses: watch::Sender::new(addresses),
        leaving: watch::Sender::new(false),
    };
    let orders = Orders {
        addresses: tended.addresses.subscribe(),
        leaving: tended.leaving.subscribe(),
    };
    if peer < shared.me {
        tasks.spawn(keep_dialling(shared.clone(), peer, orders));
    } else {
        let (door, connections) = mpsc::channel(1);
        shared.doors().insert(peer, door);
        tasks.spawn(keep_accepting(shared.clone(), peer, connections, orders));
    }
    tended
}

/// Keeps a link to a peer that this server has to dial.
async fn keep_dialling(shared: Arc<Shared>, peer: ServerId, mut orders: Orders) {
    let mut wait = BACK_OFF_MIN;
    for attempt in 0_usize.. {
        let addresses = orders.addresses.borrow().clone();
        let address = addresses.get(attempt % addresses.len().max(1));
        let connection = match address {
            Some(address) => shared.dial(peer, address).await,
            None => None,
        };
        let stood = match connection {
            Some(connection) => shared.run_link(peer, connection, &mut orders).await,
            None => false,
        };
        wait = if stood { BACK_OFF_MIN } else { wait };
        // Up to a quarter more, so that restarted servers do not dial in step.
        let jitter = rand::rng().random_range(0.0..0.25);
        if *orders.leaving.borrow() || !shared.pause(wait.mul_f64(1.0 + jitter)).await {
            return;
        }
        wait = (wait * 2).min(BACK_OFF_MAX);
    }
}

/// Keeps a link to a peer that dials this server. A newer connection replaces the older one: its
/// peer would not have dialled if the older one were of use to it.
async fn keep_accepting(
    shared: Arc<Shared>,
    peer: ServerId,
    mut connections: mpsc::Receiver<Connection>,
    mut orders: Orders,
) {
    let mut idle = orders.clone();
    let mut next = next_connection(&mut connections, &mut idle).await;
    while let Some(connection) = next {
        let mut link = std::pin::pin!(shared.run_link(peer, connection.clone(), &mut orders));
        let newer = tokio::select! {
            _ = &mut link => None,
            newer = connections.recv() => {
                connection.close(CLOSE_REPLACED, b"replaced by a newer connection");
                link.await;
                newer
            }
        };
        next = match newer {
            Some(newer) => Some(newer),
            None => next_connection(&mut connections, &mut idle).await,
        };
    }
}

/// The peer's next connection, unless it is a peer no more.
async fn next_connection(
    connections: &mut mpsc::Receiver<Connection>,
    orders: &mut Orders,
) -> Option<Connection> {
    tokio::select! {
        connection = connections.recv() => connection,
        () = orders.left() => None,
    }
}

/// Takes connections from peers and hands each to the task of the peer that its certificate names.
async fn answer_door(shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut handshakes = JoinSet::new();
    while let Some(incoming) = shared.endpoint.accept().await {
        while handshakes.try_join_next().is_some() {}
        let Ok(place) = places.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let shared = shared.clone();
        handshakes.spawn(async move {
            admit(incoming, &shared).await;
            drop(place);
        });
    }
}

async fn admit(incoming: Incoming, shared: &Shared) {
    let address = incoming.remote_address();
    let connecting = match incoming.accept() {
        Ok(connecting) => connecting,
        Err(error) => return tracing::debug!(%address, %error, "no handshake"),
    };
    let connection = match tokio::time::timeout(HANDSHAKE_TIME_MAX, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::warn!(%address, %error, "refused a peer's handshake"),
        Err(_) => return tracing::warn!(%address, "a peer's handshake took too long"),
    };
    let peer = peer_of(&connection);
    let is_peer = |peer: &ServerId| shared.peers.borrow().contains_key(peer);
    let door = peer
        .filter(is_peer)
        .and_then(|peer| shared.doors().get(&peer).cloned());
    match door {
        // A closed door means that the mesh is ending, or that the peer has just become none.
        Some(door) => drop(door.send(connection).await),
        None => {
            tracing::warn!(%address, ?peer, "refused a server that should not connect here");
            connection.close(CLOSE_STRANGER, b"not a peer that dials this server");
        }
    }
}

/// The server that the other side's certificate names. rustls has checked its signatures.
fn peer_of(connection: &Connection) -> Option<ServerId> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    server_id(chain.first()?).ok()
}

/// First wait before a lost or refused link is dialled again.
const BACK_OFF_MIN: Duration = Duration::from_millis(50);

/// Longest wait: how much later than its server a link may come back.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Longest wait for a peer to answer. QUIC itself would ask ever more rarely for seconds, and a
/// peer that has come back meanwhile would wait for the next time.
const DIAL_TIME_MAX: Duration = Duration::from_secs(1);

/// How long a link stays to a server that is no peer any more.
const LINGER: Duration = Duration::from_secs(2);

/// Handshakes at once; more are refused, and a real peer tries again.
const HANDSHAKES_MAX: usize = 64;

/// Longest handshake.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
