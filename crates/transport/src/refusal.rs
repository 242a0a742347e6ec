//! The word of a peer's host that nobody listens at the peer's address any more, as when its process
//! was killed: heard within some tens of milliseconds, where silence would have to last much longer
//! to mean anything. Must never know what links carry, and never speaks of a peer that lives.
//!
//! The system tells refusals only to a socket that is connected to one address, which that of the
//! mesh is not. So each link has a small socket of its own. While the peer is silent it sends one
//! byte at a time, which is no packet of QUIC and which a living peer drops.
//!
//! A refusal alone proves nothing: on a way with address translation it may be the word of a host in
//! between. So whoever refuses while the link has just come to stand is never listened to, and
//! later a refusal counts only while nothing at all comes from the peer. A host that is gone, or a
//! filter that answers nothing, leaves everything to the silence that broadcast measures.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use quinn::Connection;

/// Returns once the peer's host has refused again and again, with not a datagram from the peer
/// meanwhile.
pub(crate) async fn refused(connection: &Connection) {
    match Probe::new(connection.remote_address()) {
        Ok(probe) => probe.watch(|| connection.stats().udp_rx.datagrams).await,
        Err(error) => {
            tracing::debug!(%error, "a peer's end will be known by its silence only");
            std::future::pending().await
        }
    }
}

/// A socket to one address.
struct Probe {
    socket: UdpSocket,
}

impl Probe {
    fn new(peer: SocketAddr) -> std::io::Result<Self> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(peer)?;
        Ok(Self { socket })
    }

    /// `heard` counts the datagrams that have come from the peer.
    async fn watch(&self, heard: impl Fn() -> u64) {
        for _ in 0..TRIALS {
            let refused = self.send();
            tokio::time::sleep(LOOK).await;
            if refused || self.take_refusal() {
                tracing::debug!("a refusal for a living peer: none will be believed");
                return std::future::pending().await;
            }
        }
        let (mut before, mut refusals) = (heard(), 0);
        loop {
            tokio::time::sleep(LOOK).await;
            let refused = self.take_refusal();
            let now = heard();
            if now != before {
                (before, refusals) = (now, 0);
                continue;
            }
            if self.send() || refused {
                refusals += 1;
            }
            if refusals == REFUSALS {
                return;
            }
        }
    }

    /// Asks; true if it was told of an earlier refusal instead.
    fn send(&self) -> bool {
        let sent = self.socket.send(&[0]);
        sent.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    }

    /// True if what was asked has been refused since the last time.
    fn take_refusal(&self) -> bool {
        let error = self.socket.take_error().ok().flatten();
        error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    }
}

/// How often it is looked whether the peer was heard. Two servers of which one leads speak at every
/// heartbeat, some tens of milliseconds; a silence of `REFUSALS` + 1 looks is longer.
const LOOK: Duration = Duration::from_millis(15);

/// Refusals in a row that are believed.
const REFUSALS: u32 = 2;

/// Questions to a peer that is known to live.
const TRIALS: u32 = 2;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// True if the probe speaks within many looks.
    async fn speaks(probe: &Probe, heard: impl Fn() -> u64) -> bool {
        let watching = probe.watch(heard);
        tokio::time::timeout(LOOK * 40, watching).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_lives_is_never_called_gone() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let probe = Probe::new(peer.local_addr().unwrap()).unwrap();
        assert!(!speaks(&probe, || 0).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_whose_socket_is_gone_is_called_gone() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let probe = Probe::new(peer.local_addr().unwrap()).unwrap();
        let peer = Cell::new(Some(peer));
        let looks = Cell::new(0);
        let heard = || {
            looks.set(looks.get() + 1);
            if looks.get() == 5 {
                drop(peer.take());
            }
            looks.get().min(5)
        };
        assert!(speaks(&probe, heard).await);
        assert!(peer.take().is_none());
        assert!(looks.get() <= 10, "{} looks", looks.get());
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_do_not_count_while_the_peer_is_heard_or_if_they_began_too_soon() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let probe = Probe::new(address).unwrap();
        assert!(!speaks(&probe, || 0).await, "refused from the start");

        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let probe = Probe::new(peer.local_addr().unwrap()).unwrap();
        let peer = Cell::new(Some(peer));
        let count = Cell::new(0);
        let heard = || {
            drop(peer.take());
            count.set(count.get() + 1);
            count.get()
        };
        assert!(!speaks(&probe, heard).await, "heard at every look");
    }
}
