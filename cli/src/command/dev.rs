//! `zareba dev`: a local ensemble in one process, with certificates, a client profile and the
//! standard recipes, ready to use. A second start on the same directory finds all data again.

mod files;
mod recipes;

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context, bail};
use serde_json::json;
use zareba_client::Profile;
use zareba_client::model::ServerId;
use zareba_server::{RunningServer, Server, Sockets};

pub(super) use self::files::write;
use self::files::{Files, Place};
use super::interrupted;
use crate::args::{Dev, Format};
use crate::output::say;

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
    let profile = files.write_profile(&endpoints)?;
    let stopped = tokio::select! {
        result = serve(&profile, &endpoints, format) => result,
        failed = first_failure(&mut servers) => failed,
        signal = interrupted() => signal,
    };
    let ends = servers.into_iter().map(RunningServer::shutdown);
    for end in futures::future::join_all(ends).await {
        end?;
    }
    stopped
}

/// Mounts the recipes, says that all is ready, and stays.
async fn serve(
    profile: &std::path::Path,
    endpoints: &[SocketAddr],
    format: Format,
) -> anyhow::Result<()> {
    recipes::mount(Profile::load(profile)?)
        .await
        .context("cannot mount the standard recipes")?;
    let endpoints: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
    let profile = profile.display().to_string();
    say(
        format,
        format!("ready endpoints={} profile={profile}", endpoints.join(",")),
        json!({ "ready": true, "endpoints": endpoints, "profile": profile }),
    )?;
    std::future::pending().await
}

async fn first_failure(servers: &mut [RunningServer]) -> anyhow::Result<()> {
    let waiting = servers.iter_mut().map(|server| Box::pin(server.wait()));
    let (result, ..) = futures::future::select_all(waiting).await;
    result?;
    bail!("a server has stopped by itself")
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
