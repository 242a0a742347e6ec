//! `zareba bench idle-sessions`: what a session that does nothing takes of the server that holds it
//! and of the others: memory, and the CPU time of its heartbeats.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use zareba_client::model::{ServerId, ServerStatus};

use super::crowd::{Crowd, Opening};
use super::own_ensemble::OwnEnsemble;
use super::usage::Usage;
use crate::args::{Format, IdleSessions};
use crate::{clock, output};

/// Looks at all processes: the servers in their order, and the sessions' together at the end.
type Look = Vec<Usage>;

/// What was seen.
struct Found {
    /// Of the empty ensemble, over a moment.
    floor_us: Vec<f64>,
    /// With the sessions of the warming-up alone.
    before: Look,
    opened: Look,
    idled: Look,
    seconds: f64,
    moved: usize,
    statuses: Vec<ServerStatus>,
    leader: ServerId,
}

pub(super) async fn run(idle: IdleSessions, format: Format) -> anyhow::Result<()> {
    if idle.sessions == 0 || idle.seconds == 0 {
        bail!("sessions and seconds are at least 1");
    }
    let ensemble = OwnEnsemble::start(&idle.own).await?;
    let profile = ensemble.profile();
    let endpoints = match idle.spread {
        true => profile.endpoints.clone(),
        false => vec![ensemble.follower().await?.endpoint()],
    };
    let mut crowd = Crowd::start(idle.crowd.processes)?;
    let opening = |sessions| Opening {
        sessions,
        endpoints: endpoints.clone(),
        ca_pem: profile.ca_pem.clone(),
        timeout_ms: idle.timeout_ms,
        local: idle.local,
    };
    tokio::time::sleep(REST).await;
    let (floor_us, _) = idle_for(FLOOR, &ensemble, &crowd).await?;
    // The first sessions of a server make it touch what all others share.
    crowd.open(&opening(WARM_UP)).await?;
    tokio::time::sleep(REST).await;
    let before = look(&ensemble, &crowd)?;
    crowd.open(&opening(idle.sessions)).await?;
    tokio::time::sleep(REST).await;
    let opened = look(&ensemble, &crowd)?;
    let (used_us, seconds) = idle_for(Duration::from_secs(idle.seconds), &ensemble, &crowd).await?;
    let found = Found {
        floor_us,
        before,
        opened,
        idled: look(&ensemble, &crowd)?,
        seconds,
        moved: crowd.count_moved().await?,
        statuses: ensemble.statuses().await?,
        leader: ensemble.serving().await?,
    };
    report(&idle, &found, &used_us, format)
}

fn look(ensemble: &OwnEnsemble, crowd: &Crowd) -> anyhow::Result<Look> {
    let servers = ensemble.members().map(|member| member.usage());
    let mut look = servers.collect::<anyhow::Result<Look>>()?;
    look.push(crowd.usage()?);
    Ok(look)
}

/// CPU microseconds a second of each process while nothing happens, and the seconds it took.
async fn idle_for(
    time: Duration,
    ensemble: &OwnEnsemble,
    crowd: &Crowd,
) -> anyhow::Result<(Vec<f64>, f64)> {
    let (before, began) = (look(ensemble, crowd)?, clock::now());
    tokio::time::sleep(time).await;
    let (after, seconds) = (look(ensemble, crowd)?, began.elapsed().as_secs_f64());
    let used = after.iter().zip(&before);
    let used = used.map(|(after, before)| (*after - *before).cpu_us as f64 / seconds);
    Ok((used.collect(), seconds))
}

fn report(
    idle: &IdleSessions,
    found: &Found,
    used_us: &[f64],
    format: Format,
) -> anyhow::Result<()> {
    let sessions = idle.sessions as f64;
    let all = (WARM_UP + idle.sessions) as f64;
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for (at, used) in used_us.iter().enumerate() {
        let of = |look: &Look| look.get(at).copied().context("a process was not looked at");
        let (before, opened, idled) = (of(&found.before)?, of(&found.opened)?, of(&found.idled)?);
        let floor = found.floor_us.get(at).copied().unwrap_or(0.0);
        let status = found.statuses.get(at);
        let name = match status {
            Some(it) if it.server == found.leader => format!("server {}, leading", it.server),
            Some(it) => format!("server {}, following", it.server),
            None => "the sessions".to_owned(),
        };
        let held = status.map_or(0, |it| it.connections.saturating_sub(1));
        let mib = |usage: Usage| format!("{:.1}", usage.resident as f64 / MIB);
        let each = (idled - before).resident as f64 / sessions;
        let beats_us = (used - floor) / all;
        rows.push([
            name.clone(),
            held.to_string(),
            mib(before),
            mib(opened),
            mib(idled),
            format!("{:.1}", each / 1024.0),
            format!("{:.1}", floor / 1_000.0),
            format!("{:.1}", used / 1_000.0),
            format!("{beats_us:.2}"),
        ]);
        values.push(json!({
            "process": name,
            "connections": held,
            "resident_bytes": {
                "before": before.resident, "opened": opened.resident, "idled": idled.resident,
            },
            "anonymous_bytes": {
                "before": before.anonymous, "opened": opened.anonymous, "idled": idled.anonymous,
            },
            "resident_bytes_per_session": each,
            "cpu_ms_per_second": { "without": floor / 1_000.0, "with": used / 1_000.0 },
            "cpu_us_per_second_and_session": beats_us,
        }));
    }
    let table = output::table(HEADER, rows);
    let text = format!(
        "{table}\n\n{} sessions beside {WARM_UP} that were there before; memory is resident; \
         CPU over {:.0} s with all of them, and over {} s before; {} changed their server",
        idle.sessions,
        found.seconds,
        FLOOR.as_secs(),
        found.moved
    );
    let value = json!({
        "sessions": idle.sessions,
        "warm_up": WARM_UP,
        "spread": idle.spread,
        "local": idle.local,
        "timeout_ms": idle.timeout_ms,
        "seconds": found.seconds,
        "moved": found.moved,
        "processes": values,
    });
    output::say(format, text, value)
}

const HEADER: [&str; 9] = [
    "process",
    "holds",
    "MiB before",
    "opened",
    "idled",
    "KiB each",
    "CPU ms/s without",
    "with",
    "us/s each",
];

const MIB: f64 = (1_u64 << 20) as f64;

/// Sessions that are there before any memory is compared.
const WARM_UP: usize = 150;

/// How long the empty ensemble is looked at.
const FLOOR: Duration = Duration::from_secs(10);

/// Until what a step has stirred up has settled.
const REST: Duration = Duration::from_secs(3);
