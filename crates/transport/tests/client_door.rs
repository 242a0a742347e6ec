//! The clients' door on loopback: what a client learns of a server that was killed and is back.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectionError, Endpoint, EndpointConfig, TokioRuntime};
use zareba_model::ServerId;
use zareba_transport::{
    CertificateAuthority, Credentials, client_config, client_door_config, client_endpoint_config,
};

fn door(socket: UdpSocket, credentials: &Credentials) -> Endpoint {
    let tls = client_door_config(credentials, None).unwrap();
    let config = client_endpoint_config(credentials);
    Endpoint::new(config, Some(tls), socket, Arc::new(TokioRuntime)).unwrap()
}

/// Takes connections in until its runtime ends.
async fn accept(door: Endpoint) {
    let mut held = Vec::new();
    while let Some(incoming) = door.accept().await {
        held.push(incoming.await.unwrap());
    }
}

async fn bind_again(address: SocketAddr) -> UdpSocket {
    let bound = async {
        loop {
            match UdpSocket::bind(address) {
                Ok(socket) => return socket,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, bound).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_a_server_that_died_and_is_back_learns_it_from_a_stateless_reset() {
    let authority = CertificateAuthority::create().unwrap();
    let names = ["localhost".to_owned()];
    let credentials = authority.issue_server(ServerId(1), &names).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // With its runtime everything of a server is gone at once, as with a process.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shown = credentials.clone();
    runtime.spawn(async move { accept(door(socket, &shown)).await });

    let own = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = EndpointConfig::default();
    let client = Endpoint::new(config, None, own, Arc::new(TokioRuntime)).unwrap();
    let tls = client_config(authority.certificate_pem(), None).unwrap();
    let connecting = client.connect_with(tls, address, "localhost").unwrap();
    let connection = connecting.await.unwrap();
    runtime.shutdown_background();

    let _back = door(bind_again(address).await, &credentials);
    // The reset may be there before the first byte is written.
    let asked = async {
        let (mut stream, _) = connection.open_bi().await?;
        stream.write_all(&[0; 64]).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    if let Err(error) = asked.await {
        assert!(error.to_string().contains("reset"), "{error}");
    }
    // Silence alone would take half a minute, and say that it timed out.
    let patience = Duration::from_secs(60);
    let end = tokio::time::timeout(patience, connection.closed()).await;
    assert_eq!(end.unwrap(), ConnectionError::Reset);
}
