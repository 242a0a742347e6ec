//! The native door: a QUIC endpoint, the limits on who comes in, and one task for each client.
//! Must never decode a message.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, Incoming, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zareba_transport::socket::enlarge_buffers;
use zareba_transport::{Credentials, client_endpoint_config};

use crate::config::DoorLimits;
use crate::connection::{ClientConnection, Doorway};
use crate::listener::native::{Ending, NativeStream};
use crate::listener::occupancy::{Occupancy, Place};

/// The native door.
#[derive(Clone, Debug)]
pub(crate) struct QuicDoor {
    endpoint: Endpoint,
    doorway: Arc<Doorway>,
    occupancy: Arc<Occupancy<IpAddr>>,
    handshakes: Arc<Semaphore>,
    handshakes_max: usize,
}

impl QuicDoor {
    /// A door on a socket that is bound already.
    pub(crate) fn new(
        socket: UdpSocket,
        credentials: &Credentials,
        mut tls: quinn::ServerConfig,
        limits: &DoorLimits,
        doorway: Arc<Doorway>,
    ) -> std::io::Result<Self> {
        enlarge_buffers(&socket)?;
        tls.max_incoming(limits.handshakes_max);
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new(
            client_endpoint_config(credentials),
            Some(tls),
            socket,
            runtime,
        )?;
        let occupancy = Occupancy::new(limits.connections_max, limits.connections_per_address_max);
        Ok(Self {
            endpoint,
            doorway,
            occupancy,
            handshakes: Arc::new(Semaphore::new(limits.handshakes_max)),
            handshakes_max: limits.handshakes_max,
        })
    }

    /// Takes clients in until the door is closed.
    pub(crate) async fn accept_clients(self) {
        while let Some(incoming) = self.endpoint.accept().await {
            self.admit(incoming);
        }
    }

    /// Lets the last words of the server arrive, then closes all.
    pub(crate) async fn close(&self) {
        self.endpoint.set_server_config(None);
        let idle = tokio::time::timeout(CLOSE_WITHIN, self.endpoint.wait_idle()).await;
        if idle.is_err() {
            tracing::debug!("some clients did not leave in time");
        }
        self.endpoint.close(code(CODE_CLOSING), b"closing");
        let closed = tokio::time::timeout(CLOSE_WITHIN, self.endpoint.wait_idle()).await;
        drop(closed);
    }

    /// Decides by limits alone whether a client may try to enter.
    fn admit(&self, incoming: Incoming) {
        let Ok(handshake) = Arc::clone(&self.handshakes).try_acquire_owned() else {
            return self.refuse(incoming);
        };
        let crowded = self.handshakes.available_permits() < self.handshakes_max / 2;
        if crowded && !incoming.remote_address_validated() && incoming.may_retry() {
            // A forged address never answers this, so that it can cost no handshake.
            if let Err(error) = incoming.retry() {
                self.refuse(error.into_incoming());
            }
            return;
        }
        let Some(place) = self.occupancy.enter(incoming.remote_address().ip()) else {
            return self.refuse(incoming);
        };
        let doorway = Arc::clone(&self.doorway);
        tokio::spawn(serve(incoming, doorway, handshake, place));
    }

    fn refuse(&self, incoming: Incoming) {
        self.doorway.metrics.connections_refused.add(1);
        incoming.refuse();
    }
}

/// One client, from its handshake to its end.
async fn serve(
    incoming: Incoming,
    doorway: Arc<Doorway>,
    handshake: OwnedSemaphorePermit,
    place: Place<IpAddr>,
) {
    let Ok(connecting) = incoming.accept() else {
        return;
    };
    let Ok(Ok(connection)) = tokio::time::timeout(ENTER_WITHIN, connecting).await else {
        return;
    };
    drop(handshake);
    let stream = tokio::time::timeout(ENTER_WITHIN, connection.accept_bi()).await;
    let Ok(Ok(stream)) = stream else {
        connection.close(code(CODE_NO_STREAM), b"no stream was opened");
        return;
    };
    let Ok(client) = ClientConnection::open(&doorway) else {
        connection.close(code(CODE_CLOSING), b"closing");
        return;
    };
    let id = client.id;
    let address = connection.remote_address();
    tracing::debug!(connection = id.0, %address, "a client has come");
    let ending = NativeStream::new(
        client,
        doorway.identities.of_connection(&connection),
        stream,
        Arc::clone(&doorway),
    )
    .serve()
    .await;
    tracing::debug!(connection = id.0, ?ending, "a client has gone");
    match ending {
        Ending::Left | Ending::Told => connection.close(code(CODE_DONE), b""),
        Ending::Malformed => {
            doorway.metrics.connections_malformed.add(1);
            connection.close(code(CODE_MALFORMED), b"malformed");
        }
        Ending::Cut => {
            doorway.metrics.connections_cut.add(1);
            connection.close(code(CODE_CUT), b"too much was left unread");
        }
    }
    drop(place);
}

fn code(number: u32) -> VarInt {
    VarInt::from_u32(number)
}

/// Both sides are done.
const CODE_DONE: u32 = 0;
/// The server ends.
const CODE_CLOSING: u32 = 1;
/// The client opened no stream in time.
const CODE_NO_STREAM: u32 = 2;
/// The client sent something that is no message.
const CODE_MALFORMED: u32 = 3;
/// The client did not read.
const CODE_CUT: u32 = 4;

/// A handshake, and the first stream after it, each take no longer.
const ENTER_WITHIN: Duration = Duration::from_secs(5);

/// How long the end of a server may take each of two steps.
const CLOSE_WITHIN: Duration = Duration::from_millis(1_500);
