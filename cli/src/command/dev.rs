//! `zareba dev`: a local ensemble in one process, with certificates, a client profile and the
//! standard recipes, ready to use. A second start on the same directory finds all data again.

mod addresses;
mod files;
pub(super) mod recipes;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use zareba_client::model::ServerId;
use zareba_client::{Client, Profile};
use zareba_server::{RunningServer, Server, ServerError, Sockets};

pub(super) use self::files::write;
use self::files::{Files, Place, Profiles};
use super::interrupted;
use crate::args::{Dev, Format};
use crate::output::say;

/// How long the ensemble may take to elect its first leader.
const PATIENCE: Duration = Duration::from_secs(30);

/// The peers' ports lie so far above the clients'.
const PEER_PORTS: u64 = 100;

pub(super) async fn run(dev: Dev, format: Format) -> anyhow::Result<()> {
    logging("warn,zareba_server::progress=info");
    zareba_server::abort_on_panic();
    let (places, sockets): (Vec<_>, Vec<_>) = bind(&dev)?.into_iter().unzip();
    let files = Files::prepare(&dev.data_dir, &places)?;
    let mut servers = Vec::new();
    for (place, sockets) in places.iter().zip(sockets) {
        let server = Server::start_on(files.server_config(place, &places), sockets)
            .await
            .with_context(|| format!("server {} cannot start", place.id))?;
        servers.push(server);
    }
    let endpoints: Vec<_> = servers.iter().map(RunningServer::client_addr).collect();
    let profiles = files.write_profiles(&endpoints)?;
    let stopped = tokio::select! {
        result = serve(&profiles, &places, format) => result,
        failed = first_failure(&mut servers) => failed,
        signal = interrupted() => signal,
    };
    let ends = servers.into_iter().map(RunningServer::shutdown);
    for end in futures::future::join_all(ends).await {
        end?;
    }
    stopped
}

/// Makes all ready, says so, and stays.
async fn serve(profiles: &Profiles, places: &[Place], format: Format) -> anyhow::Result<()> {
    let client = Client::builder()
        .profile(Profile::load(&profiles.administrator)?)
        .connect_timeout(PATIENCE)
        // It holds nothing that anybody waits for, and a machine that starts all this may be slow.
        .session_timeout(PATIENCE)
        .connect()
        .await
        .context("the local ensemble has no leader yet")?;
    addresses::tell(&client, places)
        .await
        .context("cannot tell the ensemble its new addresses")?;
    recipes::mount(&client)
        .await
        .context("cannot mount the standard recipes")?;
    client.close().await?;
    let endpoints: Vec<_> = places.iter().map(|it| it.client.to_string()).collect();
    let profile = profiles.client.display().to_string();
    say(
        format,
        format!("ready endpoints={} profile={profile}", endpoints.join(",")),
        json!({ "ready": true, "endpoints": endpoints, "profile": profile }),
    )?;
    std::future::pending().await
}

/// Ends with the first server that fails, and with the last one that leaves the ensemble: the others go
/// on without those that were removed.
async fn first_failure(servers: &mut [RunningServer]) -> anyhow::Result<()> {
    let waiting = servers.iter_mut().map(|server| Box::pin(server.wait()));
    let mut waiting: Vec<_> = waiting.collect();
    loop {
        let (result, _, others) = futures::future::select_all(waiting).await;
        match result {
            Err(ServerError::Removed { .. }) if !others.is_empty() => waiting = others,
            Err(error) => return Err(error.into()),
            Ok(()) => bail!("a server has stopped by itself"),
        }
    }
}

/// Binds every port before any server starts, so that each knows where the others are.
fn bind(dev: &Dev) -> anyhow::Result<Vec<(Place, Sockets)>> {
    let (ip, first) = (dev.listen.ip(), dev.listen.port());
    let mut bound = Vec::new();
    for index in 0..dev.servers {
        let port = |above: u64| match first {
            0 => Ok(0),
            first => u16::try_from(u64::from(first) + above).context("the ports end at 65535"),
        };
        let client = listen(SocketAddr::new(ip, port(index)?))?;
        let peer = listen(SocketAddr::new(ip, port(index + PEER_PORTS)?))?;
        let place = Place {
            id: ServerId(index + 1),
            client: client.local_addr()?,
            peer: peer.local_addr()?,
        };
        bound.push((place, Sockets { client, peer }));
    }
    Ok(bound)
}

fn listen(address: SocketAddr) -> anyhow::Result<UdpSocket> {
    UdpSocket::bind(address).with_context(|| {
        format!("cannot listen on UDP {address}; if another ensemble runs there, use --listen")
    })
}

/// Logs to standard error, as `RUST_LOG` says.
pub(super) fn logging(default: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // A second call would change nothing; the first one's choice holds.
    let _already_set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
