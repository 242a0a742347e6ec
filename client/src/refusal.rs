//! The kernel's word that nobody listens at the server's address any more, as when its process was
//! killed. Knows no QUIC.
//!
//! Quinn does not pass it on: it reads only what has arrived, and logs what sending says. So the
//! socket is watched once more, for nothing but errors. Only a socket bound to the server's
//! address is told of refusals, and only on Linux do bound sockets allow quinn's addressed sends;
//! elsewhere this never says anything, and silence must do.

use std::io;
use std::net::{SocketAddr, UdpSocket};

#[cfg(target_os = "linux")]
use tokio::{sync::watch, task::AbortHandle};

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Told once, because the kernel tells an error to one reader, and many share the socket.
    #[cfg(target_os = "linux")]
    happened: watch::Receiver<bool>,
    #[cfg(target_os = "linux")]
    watcher: AbortHandle,
}

#[cfg(target_os = "linux")]
impl Refusal {
    /// Binds the socket to the server's address and watches it, in a task of the current runtime.
    pub(crate) fn watch(socket: &UdpSocket, server: SocketAddr) -> io::Result<Self> {
        socket.connect(server)?;
        let socket = socket.try_clone()?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        let (tell, happened) = watch::channel(false);
        let watcher = tokio::spawn(async move {
            until_refused(&socket).await;
            tell.send_replace(true);
        });
        Ok(Self {
            happened,
            watcher: watcher.abort_handle(),
        })
    }

    /// Whether the server's host has refused a datagram.
    pub(crate) fn has_happened(&self) -> bool {
        *self.happened.borrow()
    }

    /// Returns once the server's host has refused a datagram.
    pub(crate) async fn happened(&self) {
        let mut happened = self.happened.clone();
        if happened.wait_for(|it| *it).await.is_err() {
            // Nobody watches any more, as when the runtime ends.
            std::future::pending().await
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Refusal {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

#[cfg(target_os = "linux")]
async fn until_refused(socket: &tokio::net::UdpSocket) {
    let interest = tokio::io::Interest::ERROR;
    while socket.ready(interest).await.is_ok() {
        // The error may be gone again, taken by a send; the next datagram brings another.
        if let Ok(Some(error)) = socket.take_error()
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return;
        }
        // Readiness has been used up; the next error sets it again.
        let used_up = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _would_block = socket.try_io(interest, used_up);
    }
    std::future::pending().await
}

#[cfg(not(target_os = "linux"))]
impl Refusal {
    /// Nothing can be watched here.
    pub(crate) fn watch(_: &UdpSocket, _: SocketAddr) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Nobody knows.
    pub(crate) fn has_happened(&self) -> bool {
        false
    }

    /// Never returns.
    pub(crate) async fn happened(&self) {
        std::future::pending().await
    }
}
