//! The figures of a run, as text and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use cpu_time::ProcessTime;
use serde_json::{Value, json};
use zareba_client::Profile;

use super::load::Tally;
use crate::args::BenchLoad;

/// How long a server may take to say what CPU time it has used.
const PATIENCE: Duration = Duration::from_secs(10);

/// CPU time used so far, microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    servers: u64,
    client: u64,
}

impl Cpu {
    /// Asks every server, and this process. Servers that share a process are counted once.
    pub(super) async fn read(profile: &Profile) -> anyhow::Result<Self> {
        let mut processes = BTreeMap::new();
        for answer in profile.server_status(PATIENCE).await? {
            let status = answer?;
            processes.insert(status.process, status.cpu_us);
        }
        let client = ProcessTime::try_now()?.as_duration();
        Ok(Self {
            servers: processes.values().sum(),
            client: u64::try_from(client.as_micros()).unwrap_or(u64::MAX),
        })
    }

    pub(super) fn since(self, earlier: &Self) -> Self {
        Self {
            servers: self.servers.saturating_sub(earlier.servers),
            client: self.client.saturating_sub(earlier.client),
        }
    }
}

/// One run.
pub(super) struct Report {
    load: Value,
    operations: u64,
    failed: u64,
    first_failure: Option<String>,
    per_second: f64,
    /// Median, p99, p99.9 and the longest, microseconds.
    latency_us: [u64; 4],
    /// CPU time for each operation: servers, client; microseconds.
    cpu_us: [f64; 2],
}

impl Report {
    pub(super) fn new(bench: &BenchLoad, tally: &Tally, elapsed: Duration, cpu: Cpu) -> Self {
        let operations = tally.latency_us.len();
        let share = |cpu: u64| {
            if operations == 0 {
                0.0
            } else {
                cpu as f64 / operations as f64
            }
        };
        let at = |quantile| tally.latency_us.value_at_quantile(quantile);
        Self {
            load: json!({
                "sessions": bench.sessions,
                "in_flight": if bench.lock.is_some() { 1 } else { bench.in_flight },
                "reads": bench.reads,
                "value_size": bench.value_size,
                "keys": bench.keys,
                "call": bench.call,
                "lock": bench.lock.as_ref().map(|mount| mount.as_str()),
                "seconds": elapsed.as_secs_f64(),
            }),
            operations,
            failed: tally.failed,
            first_failure: tally.first_failure.clone(),
            per_second: operations as f64 / elapsed.as_secs_f64(),
            latency_us: [at(0.5), at(0.99), at(0.999), tally.latency_us.max()],
            cpu_us: [share(cpu.servers), share(cpu.client)],
        }
    }

    pub(super) fn json(&self) -> Value {
        let [median, p99, p999, max] = self.latency_us;
        let [servers, client] = self.cpu_us;
        json!({
            "load": self.load,
            "operations": self.operations,
            "failed": self.failed,
            "first_failure": self.first_failure,
            "per_second": self.per_second,
            "latency_us": { "median": median, "p99": p99, "p99.9": p999, "max": max },
            "cpu_us_per_operation": { "servers": servers, "client": client },
        })
    }

    pub(super) fn text(&self) -> String {
        let [median, p99, p999, max] = self.latency_us;
        let [servers, client] = self.cpu_us;
        let mut text = format!(
            "{:.0} operations/s   ({} operations, {} failed)\n\
             latency   median {median} us   p99 {p99} us   p99.9 {p999} us   max {max} us\n\
             CPU       servers {servers:.2} us   client {client:.2} us   per operation",
            self.per_second, self.operations, self.failed
        );
        if let Some(why) = &self.first_failure {
            text.push_str(&format!("\nfirst failure: {why}"));
        }
        text
    }
}
