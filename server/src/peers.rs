//! The links to the other members: what comes from them goes to the loop, what the loop says goes
//! to them. Must never know what is said.

use std::net::UdpSocket;
use std::sync::Arc;

use zareba_model::{Relay, ServerId};
use zareba_replica::Input;
use zareba_transport::{
    Credentials, EventSink, Mesh, MeshConfig, MeshError, MeshEvent, MeshHandle, PeerMessage,
    QUEUE_BYTES_MAX,
};
use zareba_zab::Message;

use crate::config::ServerConfig;
use crate::event::{Event, EventSenders};
use crate::metrics::Metrics;

/// The links, for sending.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    mesh: MeshHandle,
}

impl Peers {
    /// Begins to hold links to all peers.
    pub(crate) fn start(
        config: &ServerConfig,
        socket: UdpSocket,
        ca_pem: String,
        credentials: Credentials,
        events: EventSenders,
        metrics: Arc<Metrics>,
    ) -> Result<Self, MeshError> {
        let mesh = MeshConfig {
            me: config.id,
            socket,
            peers: config.peers.clone(),
            ca_pem,
            credentials,
            queue_bytes_max: QUEUE_BYTES_MAX,
        };
        let sink: EventSink = Arc::new(move |event| {
            metrics.peer_messages.add(1);
            events.tell(Event::Input(input(event)));
        });
        let mesh = Mesh::start(mesh, sink)?;
        Ok(Self { mesh })
    }

    /// Sends one message to several peers.
    pub(crate) fn send_zab(&self, to: &[ServerId], message: Message) {
        self.send(to, &PeerMessage::Zab(message));
    }

    /// Sends one message to one peer.
    pub(crate) fn send_relay(&self, to: ServerId, relay: Relay) {
        self.send(&[to], &PeerMessage::Relay(relay));
    }

    /// Tells the peers that this server goes.
    pub(crate) async fn close(&self) {
        self.mesh.close().await;
    }

    fn send(&self, to: &[ServerId], message: &PeerMessage) {
        // Every part of a message has a bound, and so has the whole.
        if let Err(error) = self.mesh.send(to, message) {
            panic!("a message to peers {to:?} cannot be sent: {error}");
        }
    }
}

fn input(event: MeshEvent) -> Input {
    match event {
        MeshEvent::PeerUp(peer) => Input::PeerUp(peer),
        MeshEvent::PeerDown(peer) => Input::PeerDown(peer),
        MeshEvent::Received {
            from,
            message: PeerMessage::Zab(message),
        } => Input::Zab { from, message },
        MeshEvent::Received {
            from,
            message: PeerMessage::Relay(relay),
        } => Input::Relay { from, relay },
    }
}
