//! What the servers have seen of plugins: counted, measured, logged. Asks every server, each in a session
//! of its own that costs the ensemble nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use zareba_client::model::{ErrorCode, Latency, MountStats, OpStats, PluginLogLine, ZnodePath};
use zareba_client::{Client, Error};

use crate::args::{Format, LogLevel};
use crate::command::interrupted;
use crate::console::Console;
use crate::{output, profile};

/// How often the servers are asked for new lines.
const LOG_POLL: Duration = Duration::from_millis(500);

/// A server, and a session at it.
struct Server {
    endpoint: String,
    client: Client,
}

/// A session at every server that can be reached; what cannot is said.
async fn servers(console: &Console) -> anyhow::Result<Vec<Server>> {
    let known = profile::load(&console.ensemble)?;
    let entering = known.endpoints.iter().map(|endpoint| {
        let mut one = known.clone();
        one.endpoints = vec![endpoint.clone()];
        async move {
            (
                endpoint,
                profile::connect_alone(&console.ensemble, one).await,
            )
        }
    });
    let mut servers = Vec::new();
    for (endpoint, entered) in futures::future::join_all(entering).await {
        match entered {
            Ok(client) => servers.push(Server {
                endpoint: endpoint.clone(),
                client,
            }),
            Err(error) => output::note(format_args!("{endpoint} is left out: {error:#}")),
        }
    }
    if servers.is_empty() {
        bail!(Error::Unreachable {
            endpoints: known.endpoints.join(", "),
            reason: "none of them lets anybody in".to_owned(),
        });
    }
    Ok(servers)
}

async fn leave(servers: Vec<Server>) -> anyhow::Result<()> {
    for server in servers {
        server.client.close().await?;
    }
    Ok(())
}

/// What all servers have seen, by mount and operation.
#[derive(Default)]
struct Seen {
    mounts: BTreeMap<ZnodePath, (MountStats, BTreeMap<String, OpStats>)>,
}

impl Seen {
    async fn ask(servers: &[Server], mount: Option<&ZnodePath>) -> anyhow::Result<Self> {
        let mut seen = Self::default();
        let asked = servers
            .iter()
            .map(|server| server.client.plugin_stats(mount));
        let answers = futures::future::join_all(asked).await;
        for (server, answer) in servers.iter().zip(answers) {
            match answer {
                Ok(mounts) => mounts.into_iter().for_each(|mount| seen.add(mount)),
                Err(error) if error.is(ErrorCode::NoPlugin) || error.is(ErrorCode::NoAuth) => {
                    return Err(error.into());
                }
                Err(error) => output::note(format_args!("{}: {error}", server.endpoint)),
            }
        }
        Ok(seen)
    }

    fn add(&mut self, mut mount: MountStats) {
        let ops = std::mem::take(&mut mount.ops);
        let path = mount.mount.clone();
        match self.mounts.get_mut(&path) {
            None => {
                self.mounts
                    .insert(path.clone(), (mount, BTreeMap::default()));
            }
            Some((known, _)) => {
                known.ready &= mount.ready;
                known.throttled += mount.throttled;
                // The servers are at different points of the one order; the latest knows best.
                if known.time < mount.time {
                    known.parked = mount.parked;
                    known.oldest_parked = mount.oldest_parked;
                    known.time = mount.time;
                    known.revision = mount.revision;
                }
                known.metrics.extend(mount.metrics);
            }
        }
        if let Some((_, all)) = self.mounts.get_mut(&path) {
            for op in ops {
                let name = op.op.clone();
                let known = all.entry(name.clone()).or_insert_with(|| OpStats {
                    op: name,
                    ..OpStats::default()
                });
                known.merge(&op);
            }
        }
    }

    fn calls(&self, mount: &ZnodePath, op: &str) -> u64 {
        let known = self.mounts.get(mount);
        known
            .and_then(|(_, ops)| ops.get(op))
            .map_or(0, |op| op.calls)
    }
}

pub(super) async fn stats(mount: Option<&ZnodePath>, console: &Console) -> anyhow::Result<()> {
    let servers = servers(console).await?;
    let seen = Seen::ask(&servers, mount).await;
    leave(servers).await?;
    say(console.format, &seen?, None)
}

pub(super) async fn top(
    mount: Option<&ZnodePath>,
    every: Duration,
    times: u64,
    console: &Console,
) -> anyhow::Result<()> {
    let servers = servers(console).await?;
    let shown = show_again_and_again(&servers, mount, every, times, console.format);
    let result = tokio::select! {
        result = shown => result,
        interrupted = interrupted() => interrupted,
    };
    leave(servers).await?;
    result
}

async fn show_again_and_again(
    servers: &[Server],
    mount: Option<&ZnodePath>,
    every: Duration,
    times: u64,
    format: Format,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(every);
    ticks.tick().await;
    let mut before = (Seen::ask(servers, mount).await?, crate::clock::now());
    let mut shown = 0;
    while times == 0 || shown < times {
        ticks.tick().await;
        let now = (Seen::ask(servers, mount).await?, crate::clock::now());
        let seconds = (now.1 - before.1).as_secs_f64();
        if format == Format::Text && shown > 0 {
            output::line("")?;
        }
        say(format, &now.0, Some((&before.0, seconds)))?;
        before = now;
        shown += 1;
    }
    Ok(())
}

/// What was seen, and if there is a look before it, how much of it is new.
fn say(format: Format, seen: &Seen, before: Option<(&Seen, f64)>) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (mount, ops) in seen.mounts.values() {
        let per_second = |op: &OpStats| {
            before.map(|(before, seconds)| {
                let calls = op.calls.saturating_sub(before.calls(&mount.mount, &op.op));
                calls as f64 / seconds.max(0.001)
            })
        };
        if format == Format::Json {
            let ops = ops.values().map(|op| op_json(op, per_second(op)));
            output::line(mount_json(mount, ops.collect()))?;
            continue;
        }
        rows.push(mount_row(mount));
        rows.extend(ops.values().map(|op| op_row(op, per_second(op))));
    }
    if format == Format::Text {
        let header = [
            "MOUNT / OP",
            "CALLS",
            "/S",
            "FAULTS",
            "TRAPS",
            "PARKED",
            "QUEUE",
            "START",
            "GUEST",
            "P99",
            "HOST",
            "COMMIT",
            "MEMORY",
        ];
        output::line(output::table(header, rows))?;
    }
    Ok(())
}

fn mount_row(mount: &MountStats) -> [String; 13] {
    let mut row: [String; 13] = std::array::from_fn(|_| String::new());
    let state = if mount.ready { "" } else { " (compiling)" };
    row[0] = format!("{} {}{state}", mount.mount, mount.plugin);
    if mount.throttled > 0 {
        row[3] = format!("{} throttled", mount.throttled);
    }
    if mount.parked > 0 {
        let age = mount
            .oldest_parked
            .map_or(0, |at| mount.time.saturating_sub(at));
        let age = humantime::format_duration(Duration::from_secs(age / 1_000));
        row[5] = format!("{} for {age}", mount.parked);
    }
    row
}

fn op_row(op: &OpStats, per_second: Option<f64>) -> [String; 13] {
    let mean = |latency: &Latency| match latency.count {
        0 => String::new(),
        _ => format!("{:.1} us", latency.mean_us()),
    };
    let by_code = |counts: &BTreeMap<i32, u64>| {
        let counts = counts.iter().map(|(code, count)| {
            let code = ErrorCode::from_number(*code);
            format!("{count} {code}")
        });
        counts.collect::<Vec<_>>().join(", ")
    };
    [
        format!("  {}", op.op),
        op.calls.to_string(),
        per_second.map_or_else(String::new, |it| format!("{it:.0}")),
        by_code(&op.faults),
        by_code(&op.traps),
        op.parked.to_string(),
        mean(&op.queue),
        mean(&op.instantiate),
        mean(&op.guest),
        match op.guest.count {
            0 => String::new(),
            _ => format!("{} us", op.guest.quantile_us(990)),
        },
        mean(&op.host),
        mean(&op.commit),
        format!("{} KiB", op.memory_bytes_max >> 10),
    ]
}

fn mount_json(mount: &MountStats, ops: Vec<Value>) -> Value {
    json!({
        "mount": mount.mount.as_str(),
        "plugin": mount.plugin,
        "revision": mount.revision.to_string(),
        "ready": mount.ready,
        "parked": mount.parked,
        "oldest_parked_ms": mount.oldest_parked.map(|at| mount.time.saturating_sub(at)),
        "throttled": mount.throttled,
        "ops": ops,
        "metrics": mount.metrics,
    })
}

fn op_json(op: &OpStats, per_second: Option<f64>) -> Value {
    let latency = |latency: &Latency| {
        json!({
            "count": latency.count,
            "mean_us": latency.mean_us(),
            "p50_us": latency.quantile_us(500),
            "p99_us": latency.quantile_us(990),
            "max_us": latency.max_ns as f64 / 1_000.0,
        })
    };
    json!({
        "op": op.op,
        "calls": op.calls,
        "calls_per_s": per_second,
        "parked": op.parked,
        "faults": op.faults,
        "traps": op.traps,
        "queue": latency(&op.queue),
        "instantiate": latency(&op.instantiate),
        "guest": latency(&op.guest),
        "host": latency(&op.host),
        "commit": latency(&op.commit),
        "host_calls": op.host_calls,
        "changes": op.changes,
        "bytes": op.bytes,
        "memory_bytes_max": op.memory_bytes_max,
    })
}

pub(super) async fn logs(
    mount: Option<&ZnodePath>,
    follow: bool,
    level: LogLevel,
    console: &Console,
) -> anyhow::Result<()> {
    let servers = servers(console).await?;
    let told = tell(&servers, mount, follow, level, console.format);
    let result = tokio::select! {
        result = told => result,
        interrupted = interrupted() => interrupted,
    };
    leave(servers).await?;
    result
}

async fn tell(
    servers: &[Server],
    mount: Option<&ZnodePath>,
    follow: bool,
    level: LogLevel,
    format: Format,
) -> anyhow::Result<()> {
    let mut after = vec![0; servers.len()];
    let mut ticks = tokio::time::interval(LOG_POLL);
    loop {
        ticks.tick().await;
        let mut lines = Vec::new();
        for (server, after) in servers.iter().zip(&mut after) {
            let (fresh, last) = all_lines(&server.client, mount, *after).await?;
            *after = last;
            lines.extend(fresh.into_iter().map(|line| (line, &server.endpoint)));
        }
        lines.sort_by_key(|(line, _)| line.time);
        for (line, endpoint) in lines {
            if line.level <= level as u8 {
                say_line(format, &line, endpoint)?;
            }
        }
        if !follow {
            return Ok(());
        }
    }
}

/// All lines of one server behind a number.
async fn all_lines(
    client: &Client,
    mount: Option<&ZnodePath>,
    mut after: u64,
) -> Result<(Vec<PluginLogLine>, u64), Error> {
    let mut all = Vec::new();
    loop {
        let (lines, last) = client.plugin_log(mount, after).await?;
        let done = lines.is_empty() || last == after;
        all.extend(lines);
        after = last;
        if done {
            return Ok((all, after));
        }
    }
}

fn say_line(format: Format, line: &PluginLogLine, endpoint: &str) -> anyhow::Result<()> {
    let level = match line.level {
        0 | 1 => "error",
        2 => "warn",
        3 => "info",
        _ => "debug",
    };
    if format == Format::Json {
        return output::line(json!({
            "time": line.time,
            "mount": line.mount.as_str(),
            "level": level,
            "text": line.text,
            "endpoint": endpoint,
        }));
    }
    let at = std::time::UNIX_EPOCH + Duration::from_millis(line.time);
    let at = humantime::format_rfc3339_millis(at);
    output::line(format_args!("{at} {level:5} {} {}", line.mount, line.text))
}
