//! What a server has seen of its plugins since it started, for operators. Never part of replicated state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Sha256, ZnodePath};

/// What one run of a guest took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestCost {
    /// Until an instance was there, nanoseconds.
    pub instantiate_ns: u64,
    /// From its first instruction to its last, host calls included, nanoseconds.
    pub guest_ns: u64,
    /// In host calls, nanoseconds; measured at some runs only.
    pub host_ns: Option<u64>,
    /// Calls from guest to host.
    pub host_calls: u32,
    /// Changes it staged.
    pub changes: u32,
    /// Bytes it staged.
    pub bytes: u64,
    /// Memory it had at its end, bytes.
    pub memory_bytes: u64,
}

/// How long something took, many times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How often.
    pub count: u64,
    /// Altogether, nanoseconds.
    pub sum_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// How often it took less than 2^i microseconds and not less than half of it, from i = 0.
    pub buckets: Vec<u64>,
}

impl Latency {
    /// One more.
    pub fn add(&mut self, ns: u64) {
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
        let bucket = (u64::BITS - (ns / 1_000).leading_zeros()) as usize;
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    /// All that another one counts too.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (all, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *all += more;
        }
    }

    /// The time within which so many of a thousand were done, microseconds: the upper end of a bucket.
    pub fn quantile_us(&self, per_mille: u64) -> u64 {
        let wanted = (self.count * per_mille).div_ceil(1_000);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return (1 << bucket).min(self.max_ns.div_ceil(1_000));
            }
        }
        0
    }

    /// Their mean, microseconds.
    pub fn mean_us(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.sum_ns as f64 / count as f64 / 1_000.0,
        }
    }
}

/// What has become of the calls of one operation at one mount, on one server: queries that it answered,
/// and commands and events that it ran as the leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpStats {
    /// The operation; `on-event` and `migrate` are the plugin's own.
    pub op: String,
    /// How often it ran.
    pub calls: u64,
    /// How often its call was parked.
    pub parked: u64,
    /// How often it was refused, by the fault's number.
    pub faults: BTreeMap<i32, u64>,
    /// How often the guest was ended, by the number of the reason.
    pub traps: BTreeMap<i32, u64>,
    /// From the request's arrival at the leader until it ran.
    pub queue: Latency,
    /// Until an instance was there.
    pub instantiate: Latency,
    /// In the guest, host calls included.
    pub guest: Latency,
    /// In host calls, of those runs where it was measured.
    pub host: Latency,
    /// From the end of the run until the transaction was committed.
    pub commit: Latency,
    /// Calls from guest to host.
    pub host_calls: u64,
    /// Changes staged.
    pub changes: u64,
    /// Bytes staged.
    pub bytes: u64,
    /// The most memory that one run had at its end, bytes.
    pub memory_bytes_max: u64,
}

impl OpStats {
    /// All that another server has seen too.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.parked += other.parked;
        for (code, count) in &other.faults {
            *self.faults.entry(*code).or_default() += count;
        }
        for (code, count) in &other.traps {
            *self.traps.entry(*code).or_default() += count;
        }
        self.queue.merge(&other.queue);
        self.instantiate.merge(&other.instantiate);
        self.guest.merge(&other.guest);
        self.host.merge(&other.host);
        self.commit.merge(&other.commit);
        self.host_calls += other.host_calls;
        self.changes += other.changes;
        self.bytes += other.bytes;
        self.memory_bytes_max = self.memory_bytes_max.max(other.memory_bytes_max);
    }
}

/// What a guest counts or observes itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuestMetric {
    /// In its own words.
    pub name: String,
    /// How often.
    pub times: u64,
    /// All deltas and values together.
    pub sum: f64,
    /// The last one.
    pub last: f64,
}

/// Values are numbers: the host drops what is none.
impl Eq for GuestMetric {}

/// One mount, as one server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountStats {
    /// Where.
    pub mount: ZnodePath,
    /// The plugin.
    pub plugin: String,
    /// The revision in use.
    pub revision: Sha256,
    /// True if this server has compiled it.
    pub ready: bool,
    /// Calls that are parked.
    pub parked: u64,
    /// When the oldest of them parked, transaction time in milliseconds.
    pub oldest_parked: Option<u64>,
    /// Transaction time here, milliseconds.
    pub time: u64,
    /// Commands refused because the plugin had its share of the leader's time.
    pub throttled: u64,
    /// Its operations.
    pub ops: Vec<OpStats>,
    /// What the revision counts itself, at all its mounts together.
    pub metrics: Vec<GuestMetric>,
}

/// A line of a plugin's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginLogLine {
    /// Its place in this server's log of plugins.
    pub number: u64,
    /// When, transaction time in milliseconds.
    pub time: u64,
    /// Whose.
    pub mount: ZnodePath,
    /// 1 error, 2 warning, 3 information, 4 debugging.
    pub level: u8,
    /// What it says.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_come_from_the_buckets() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile_us(500), 0);
        for us in [1, 3, 3, 100] {
            latency.add(us * 1_000);
        }
        assert_eq!(latency.buckets, [0, 1, 2, 0, 0, 0, 0, 1]);
        assert_eq!(latency.quantile_us(500), 4);
        assert_eq!(latency.quantile_us(990), 100);
        assert_eq!(latency.max_ns, 100_000);
        latency.add(u64::MAX);
        assert_eq!(latency.count, 5);
    }
}
