//! The links to the other members: what comes from them goes to the loop, what the loop says goes
//! to them. Must never know what is said.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;

use zareba_model::{Ensemble, Member, MemberRole, Relay, ServerId};
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
    me: ServerId,
    mesh: MeshHandle,
    /// As of the configuration: where members may be if they are not where the tree says.
    configured: Arc<Ensemble>,
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
            peers: addresses(&config.ensemble, &config.ensemble),
            ca_pem,
            credentials,
            queue_bytes_max: QUEUE_BYTES_MAX,
        };
        let sink: EventSink = Arc::new(move |event| {
            metrics.peer_messages.add(1);
            events.tell(Event::Input(input(event)));
        });
        let mesh = Mesh::start(mesh, sink)?;
        Ok(Self {
            me: config.id,
            mesh,
            configured: Arc::new(config.ensemble.clone()),
        })
    }

    /// Holds links to these members from now on.
    pub(crate) fn follow(&self, ensemble: &Ensemble) {
        self.mesh.set_peers(addresses(ensemble, &self.configured));
        let is_joint = ensemble.outgoing.is_some();
        tracing::info!(
            version = ensemble.version,
            members = %list(ensemble),
            is_joint,
            "the ensemble"
        );
    }

    /// Says so if the configuration names other members than the ensemble has.
    pub(crate) fn compare(&self, ensemble: &Ensemble) {
        let (configured, members) = (list(&self.configured), list(ensemble));
        if !ensemble.members.contains_key(&self.me) {
            tracing::warn!(
                server = %self.me,
                members,
                version = ensemble.version,
                "the newest ensemble in this server's log does not have it as a member: the others \
                 refuse it; if `zareba ensemble status` does not list it, delete its data directory, \
                 and let it join anew with a token of `zareba ensemble add`"
            );
        } else if configured != members {
            tracing::warn!(
                configured,
                members,
                version = ensemble.version,
                "the ensemble has changed since this server's configuration was written; the \
                 members hold, not the configuration"
            );
        }
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

/// The members and their roles, for a log line.
fn list(ensemble: &Ensemble) -> String {
    let members = ensemble
        .members
        .iter()
        .map(|(id, member)| match member.role {
            MemberRole::VOTER => id.to_string(),
            MemberRole::Voter { weight, group } => format!("{id} (weight {weight}, group {group})"),
            MemberRole::Observer => format!("{id} (observer)"),
        });
    members.collect::<Vec<_>>().join(", ")
}

/// Where the members may be: as the ensemble says, and as the configuration does. Both are tried, so
/// that an ensemble which was stopped whole and is started at other addresses finds itself by its
/// configuration.
fn addresses(ensemble: &Ensemble, configured: &Ensemble) -> BTreeMap<ServerId, Vec<String>> {
    let address = |(id, member): (ServerId, &Member)| {
        let configured = configured.members.get(&id);
        let both = [Some(member), configured].into_iter().flatten();
        let mut addresses: Vec<_> = both.map(|it| it.peer_address.clone()).collect();
        addresses.retain(|address| !address.is_empty());
        addresses.dedup();
        (id, addresses)
    };
    ensemble.everybody().into_iter().map(address).collect()
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
