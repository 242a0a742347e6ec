//! `zareba server`: one member as a process of its own, configured by a file or joining by a token.

mod join;

use serde_json::json;
use zareba_server::{Server, ServerConfig};

use super::interrupted;
use crate::args;
use crate::args::Format;
use crate::command::dev::logging;
use crate::output::say;

pub(super) async fn run(server: args::Server, format: Format) -> anyhow::Result<()> {
    logging("info");
    zareba_server::abort_on_panic();
    let config = match (&server.config, &server.data) {
        (Some(file), _) => ServerConfig::load(file)?,
        (None, Some(dir)) => join::prepare(dir, &server.join).await?,
        (None, None) => anyhow::bail!("either --config or --data is needed"),
    };
    let mut running = Server::start(config).await?;
    let (id, endpoint, peers) = (running.id(), running.client_addr(), running.peer_addr());
    say(
        format,
        format!("ready server={id} endpoint={endpoint} peers={peers}"),
        json!({
            "ready": true,
            "server": id.0,
            "endpoint": endpoint.to_string(),
            "peers": peers.to_string(),
        }),
    )?;
    let stopped = tokio::select! {
        failed = running.wait() => failed.map_err(anyhow::Error::from),
        signal = interrupted() => signal,
    };
    stopped?;
    Ok(running.shutdown().await?)
}
