//! A UDP relay between one client and one server, which can fall silent as a cut-off host does, or
//! go away as a killed process does. Knows nothing of what the datagrams say.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// See the file's head.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    silent: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens on a free port for the client of the server at `server`.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = near.local_addr().unwrap();
        let silent = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(forward(near, far, server, Arc::clone(&silent)));
        Self {
            address,
            silent,
            task,
        }
    }

    /// From now on nothing comes through, either way.
    pub(crate) fn drop_everything(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Returns when the sockets are closed: the host refuses what still comes.
    pub(crate) async fn close(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

async fn forward(near: UdpSocket, far: UdpSocket, server: SocketAddr, silent: Arc<AtomicBool>) {
    let (mut upward, mut downward) = ([0; 65_536], [0; 65_536]);
    let mut client = None;
    loop {
        let (socket, datagram, to) = tokio::select! {
            received = near.recv_from(&mut upward) => {
                let (length, from) = received.unwrap();
                client = Some(from);
                (&far, &upward[..length], Some(server))
            }
            received = far.recv_from(&mut downward) => {
                let (length, _) = received.unwrap();
                (&near, &downward[..length], client)
            }
        };
        if let Some(to) = to
            && !silent.load(Ordering::Relaxed)
        {
            socket.send_to(datagram, to).await.unwrap();
        }
    }
}
