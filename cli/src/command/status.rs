//! `zareba status`: what every server says of itself, without a session.

use std::time::Duration;

use serde_json::json;

use crate::args::{Ensemble, Format};
use crate::{exit, output, profile};

/// How long one server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(ensemble: &Ensemble, format: Format) -> anyhow::Result<u8> {
    let profile = profile::load(ensemble)?;
    let answers = profile.server_status(PATIENCE).await?;
    let mut rows = Vec::new();
    let mut serving = false;
    for (endpoint, answer) in profile.endpoints.iter().zip(answers) {
        match (answer, format) {
            (Ok(status), Format::Json) => {
                serving |= status.leader.is_some();
                output::line(json!({
                    "endpoint": endpoint,
                    "server": status.server.0,
                    "role": status.role,
                    "leader": status.leader.map(|leader| leader.0),
                    "epoch": status.epoch.0,
                    "applied": status.applied.to_string(),
                    "digest": format!("{:016x}", status.digest),
                    "znodes": status.znodes,
                    "sessions": status.sessions,
                    "connections": status.connections,
                    "outstanding": status.outstanding,
                    "process": status.process,
                    "cpu_us": status.cpu_us,
                }))?;
            }
            (Ok(status), Format::Text) => {
                serving |= status.leader.is_some();
                rows.push([
                    status.server.to_string(),
                    endpoint.clone(),
                    status.role,
                    status.applied.to_string(),
                    format!("{:016x}", status.digest),
                    status.znodes.to_string(),
                    status.sessions.to_string(),
                    status.connections.to_string(),
                ]);
            }
            (Err(error), Format::Json) => {
                output::line(json!({ "endpoint": endpoint, "error": error.to_string() }))?;
            }
            (Err(_), Format::Text) => {
                let mut row: [String; 8] = std::array::from_fn(|_| "-".to_owned());
                row[1] = endpoint.clone();
                row[2] = "unreachable".to_owned();
                rows.push(row);
            }
        }
    }
    if format == Format::Text {
        let header = [
            "SERVER", "ENDPOINT", "ROLE", "APPLIED", "DIGEST", "ZNODES", "SESSIONS", "CLIENTS",
        ];
        output::line(output::table(header, rows))?;
    }
    Ok(if serving { 0 } else { exit::UNREACHABLE })
}
