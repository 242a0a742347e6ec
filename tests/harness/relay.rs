//! UDP relays between one client and the servers: ways that can be cut, in both directions or one,
//! and moved to another port, as a network does it. Knows nothing of what the datagrams say.
//!
//! A killed server behind a relay is a silent host: the kernel's refusal does not come through.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zareba_client::Profile;

use crate::Ensemble;

/// Longer than any datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// What comes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Everything.
    Flows,
    /// Nothing.
    IsCut,
    /// What the client says: the server works, and its answers are lost.
    IsCutDownward,
    /// What the server says.
    IsCutUpward,
}

/// One client's ways to all servers of an ensemble.
#[derive(Debug)]
pub struct Ways {
    relays: BTreeMap<u64, Relay>,
}

#[derive(Debug)]
struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    traffic: Traffic,
    /// How often the server was to see another address.
    moves: u64,
}

impl Ensemble {
    /// Ways of one client to all servers. They go when this is dropped.
    pub async fn ways(&self) -> Ways {
        let mut relays = BTreeMap::new();
        for (id, member) in &self.members {
            let server = member.endpoint().parse().unwrap();
            relays.insert(*id, Relay::start(server).await);
        }
        Ways { relays }
    }

    /// How to reach all servers by these ways, one of them first. The client must not follow
    /// members, or it finds others.
    pub fn profile_by(&self, ways: &Ways, first: u64) -> Profile {
        let others = ways.relays.iter().filter(|(id, _)| **id != first);
        let relays = [&ways.relays[&first]]
            .into_iter()
            .chain(others.map(|(_, relay)| relay));
        let endpoints = relays.map(|relay| relay.address.to_string());
        Profile::new(endpoints, self.ca_pem())
    }
}

impl Ways {
    /// From now on no more than this comes through, to and from every server.
    pub fn set(&self, traffic: Traffic) {
        for relay in self.relays.values() {
            relay.state.send_modify(|state| state.traffic = traffic);
        }
    }

    /// The same of one server.
    pub fn set_to(&self, server: u64, traffic: Traffic) {
        let relay = &self.relays[&server];
        relay.state.send_modify(|state| state.traffic = traffic);
    }

    /// From now on the servers see another address, as if the client were behind a router that
    /// forgot it.
    pub fn move_address(&self) {
        for relay in self.relays.values() {
            relay.state.send_modify(|state| state.moves += 1);
        }
    }
}

impl Relay {
    async fn start(server: SocketAddr) -> Self {
        let near = socket().await;
        let address = near.local_addr().unwrap();
        let (state, states) = watch::channel(State {
            traffic: Traffic::Flows,
            moves: 0,
        });
        let task = tokio::spawn(forward(near, server, states));
        Self {
            address,
            state,
            task,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

async fn forward(near: UdpSocket, server: SocketAddr, mut states: watch::Receiver<State>) {
    let mut upward = vec![0; DATAGRAM_BYTES_MAX];
    let mut downward = vec![0; DATAGRAM_BYTES_MAX];
    let mut far = socket().await;
    let mut moves = 0;
    // Where the client was last heard of: it takes another port for every connection.
    let mut client = None;
    loop {
        let state = *states.borrow_and_update();
        if state.moves != moves {
            moves = state.moves;
            far = socket().await;
        }
        tokio::select! {
            changed = states.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            received = near.recv_from(&mut upward) => {
                let (length, from) = received.unwrap();
                client = Some(from);
                if matches!(state.traffic, Traffic::Flows | Traffic::IsCutDownward) {
                    // What cannot be sent is lost, as on any network.
                    let _lost = far.send_to(&upward[..length], server).await;
                }
            }
            received = far.recv_from(&mut downward) => {
                let (length, _) = received.unwrap();
                if let Some(client) = client
                    && matches!(state.traffic, Traffic::Flows | Traffic::IsCutUpward)
                {
                    let _lost = near.send_to(&downward[..length], client).await;
                }
            }
        }
    }
}
