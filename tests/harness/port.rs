//! Free UDP ports that stay free while their server is down.
//!
//! A port that the system picks comes from the range it also gives to clients, one of which could
//! take it while a killed server is away. So ports are drawn from below that range and tried.

use std::collections::BTreeSet;
use std::net::UdpSocket;

/// Where ports are drawn from: above the services', below what systems give to clients.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// So many different ports that are free now.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let mut held = Vec::new();
    let mut ports = BTreeSet::new();
    while ports.len() < count {
        let port = rand::random_range(RANGE);
        if let Ok(socket) = UdpSocket::bind(("127.0.0.1", port)) {
            held.push(socket);
            ports.insert(port);
        }
    }
    ports.into_iter().collect()
}
