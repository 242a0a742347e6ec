//! The UDP sockets of this process's connections: who shares one, and when it is given up. Knows no session.
//!
//! A socket with its QUIC endpoint takes some 2 MiB, most of it room for what arrives together, so
//! that one for each session would be most of what a session costs. Up to [`SPREAD`] connections to a
//! server have a socket each, as a program with a few busy sessions wants it; from then on they share
//! them, up to [`SHARERS_MAX`] on one, and then more sockets are opened.
//!
//! Sockets are found in a list of the process, because whoever opens 10,000 sessions opens them one by
//! one, often from places that know nothing of each other, and should not have to hand a socket around.
//! The list owns nothing: a socket lives as long as a connection uses it. It is never shared beyond its
//! runtime, whose end would take it from the others, nor beyond one server's address, to which it is
//! bound so that refusals are told (see `refusal.rs`). A certificate belongs to a connection, not to a
//! socket.
//!
//! A socket is given up as soon as anything on it ended without a word from the server: its way may be
//! broken, as after a change of the host's addresses. Those who are on it go on as they can; who
//! dials anew never gets it again.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use quinn::udp::UdpSocketState;
use quinn::{ConnectError, Connecting, Endpoint, EndpointConfig};
use tokio::runtime::{Handle, Id};

use crate::limits::{SHARERS_MAX, SOCKET_BUFFER_BYTES, SPREAD};
use crate::refusal::Refusal;

/// The sockets in use. See the file's head.
static SOCKETS: Mutex<Vec<Weak<Socket>>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Socket {
    endpoint: Endpoint,
    refusal: Refusal,
    runtime: Id,
    server: SocketAddr,
    given_up: AtomicBool,
}

/// One connection's part of a socket.
#[derive(Debug)]
pub(crate) struct Place {
    socket: Arc<Socket>,
    /// The server has been heard over it, and was not lost.
    good: bool,
}

impl Place {
    /// Begins a connection to a server.
    pub(crate) fn connect(
        config: &quinn::ClientConfig,
        server: SocketAddr,
        name: &str,
    ) -> Result<(Self, Connecting), String> {
        let mut place = Self::take(server).map_err(|error| error.to_string())?;
        let begin = |place: &Self| {
            let endpoint = &place.socket.endpoint;
            endpoint.connect_with(config.clone(), server, name)
        };
        let mut begun = begin(&place);
        if matches!(begun, Err(ConnectError::EndpointStopping)) {
            // An error of the socket has ended its task; dropped like this, the place gives it up.
            place = Self::open(server).map_err(|error| error.to_string())?;
            begun = begin(&place);
        }
        match begun {
            Ok(connecting) => Ok((place, connecting)),
            Err(error) => {
                // Nothing was sent, so nothing was learnt of the socket.
                place.heard();
                Err(error.to_string())
            }
        }
    }

    /// The server has been heard: others may share the socket.
    pub(crate) fn heard(&mut self) {
        self.good = true;
    }

    /// The server is not heard any more, and has not said goodbye.
    pub(crate) fn lost(&mut self) {
        self.good = false;
    }

    /// Returns once nobody listens at the server's address any more.
    pub(crate) async fn refused(&self) {
        self.socket.refusal.happened().await;
    }

    /// On the socket with the fewest connections, or on a new one.
    fn take(server: SocketAddr) -> io::Result<Self> {
        let runtime = Handle::current().id();
        let mut count = 0;
        let mut emptiest: Option<(usize, Arc<Socket>)> = None;
        let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|it| it.strong_count() > 0);
        for weak in sockets.iter() {
            // Only places hold a socket, and none is made while the list is locked.
            let sharers = weak.strong_count();
            let Some(socket) = weak.upgrade() else {
                continue;
            };
            if !socket.is_for(runtime, server) {
                continue;
            }
            count += 1;
            if emptiest.as_ref().is_none_or(|(least, _)| sharers < *least) {
                emptiest = Some((sharers, socket));
            }
        }
        drop(sockets);
        match emptiest {
            Some((sharers, socket)) if count >= SPREAD && sharers < SHARERS_MAX => {
                let good = false;
                Ok(Self { socket, good })
            }
            _ => Self::open(server),
        }
    }

    /// On a new socket.
    fn open(server: SocketAddr) -> io::Result<Self> {
        let socket = Arc::new(Socket::open(server)?);
        let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.push(Arc::downgrade(&socket));
        let good = false;
        Ok(Self { socket, good })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.good {
            self.socket.given_up.store(true, Ordering::Relaxed);
        }
    }
}

impl Socket {
    fn open(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        let state = UdpSocketState::new((&socket).into())?;
        state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES)?;
        state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES)?;
        let refusal = Refusal::watch(&socket, server)?;
        let quic = Arc::new(quinn::TokioRuntime);
        Ok(Self {
            endpoint: Endpoint::new(EndpointConfig::default(), None, socket, quic)?,
            refusal,
            runtime: Handle::current().id(),
            server,
            given_up: AtomicBool::new(false),
        })
    }

    fn is_for(&self, runtime: Id, server: SocketAddr) -> bool {
        let trusted = !self.given_up.load(Ordering::Relaxed) && !self.refusal.has_happened();
        trusted && self.runtime == runtime && self.server == server
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Where nobody answers: a socket that nobody reads, so that its host refuses nothing.
    fn silent() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn good(server: SocketAddr) -> Place {
        let mut place = Place::take(server).unwrap();
        place.heard();
        place
    }

    fn on_one_socket(a: &Place, b: &Place) -> bool {
        Arc::ptr_eq(&a.socket, &b.socket)
    }

    fn count(server: SocketAddr) -> usize {
        let sockets = SOCKETS.lock().unwrap();
        let sockets = sockets.iter().filter_map(Weak::upgrade);
        sockets.filter(|it| it.server == server).count()
    }

    #[tokio::test]
    async fn many_connections_share_few_sockets_evenly_and_never_too_many_one() {
        let (_held, server) = silent();
        let mut places: Vec<_> = (0..SPREAD).map(|_| good(server)).collect();
        assert_eq!(count(server), SPREAD);
        places.extend((SPREAD..SPREAD * SHARERS_MAX).map(|_| good(server)));
        assert_eq!(count(server), SPREAD);
        for place in &places {
            assert_eq!(Arc::strong_count(&place.socket), SHARERS_MAX);
        }
        let next = good(server);
        assert!(places.iter().all(|it| !on_one_socket(it, &next)));
        assert_eq!(count(server), SPREAD + 1);
        assert!(on_one_socket(&next, &good(server)), "the emptiest is next");
    }

    #[tokio::test]
    async fn no_socket_is_shared_between_servers() {
        let ((_one, server), (_other, elsewhere)) = (silent(), silent());
        let _places: Vec<_> = (0..2 * SPREAD).map(|_| good(server)).collect();
        assert_eq!(count(elsewhere), 0);
        let place = good(elsewhere);
        assert_eq!(count(elsewhere), 1);
        assert_eq!(place.socket.server, elsewhere);
    }

    #[tokio::test]
    async fn a_socket_is_gone_with_its_last_connection() {
        let (_held, server) = silent();
        let places: Vec<_> = (0..2 * SPREAD).map(|_| good(server)).collect();
        let first = places.first().unwrap();
        let own = first.socket.endpoint.local_addr().unwrap();
        assert!(UdpSocket::bind(own).is_err());
        drop(places);
        assert_eq!(count(server), 0);
        let free = async {
            while UdpSocket::bind(own).is_err() {
                tokio::task::yield_now().await;
            }
        };
        let freed = tokio::time::timeout(Duration::from_secs(20), free).await;
        assert!(freed.is_ok(), "the port is still taken");
    }

    #[tokio::test]
    async fn a_socket_over_which_the_server_was_lost_is_for_nobody_new() {
        let (_held, server) = silent();
        let mut places: Vec<_> = (0..2 * SPREAD).map(|_| good(server)).collect();
        let mut lost = places.swap_remove(0);
        lost.lost();
        let socket = Arc::clone(&lost.socket);
        drop(lost);
        // Those who are on it stay.
        assert!(places.iter().any(|it| Arc::ptr_eq(&it.socket, &socket)));
        let next: Vec<_> = (0..2 * SPREAD).map(|_| good(server)).collect();
        assert!(next.iter().all(|it| !Arc::ptr_eq(&it.socket, &socket)));
    }

    #[tokio::test]
    async fn a_dial_that_nobody_answered_does_not_leave_its_socket_to_others() {
        let (_held, server) = silent();
        let _places: Vec<_> = (0..SPREAD).map(|_| good(server)).collect();
        let unanswered = Place::take(server).unwrap();
        let socket = Arc::clone(&unanswered.socket);
        drop(unanswered);
        assert!(!socket.is_for(Handle::current().id(), server));
    }

    #[test]
    fn a_runtime_that_has_ended_takes_its_sockets_with_it_alone() {
        let (_held, server) = silent();
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap()
        };
        let (ended, living) = (runtime(), runtime());
        let old: Vec<_> = ended.block_on(async { (0..SPREAD).map(|_| good(server)).collect() });
        drop(ended);
        let place = living.block_on(async { good(server) });
        assert!(old.iter().all(|it: &Place| !on_one_socket(it, &place)));
        assert_eq!(place.socket.runtime, living.handle().id());
    }
}
