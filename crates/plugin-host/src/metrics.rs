//! What guests count and observe, per revision, on this server alone. Knows no exporter.

use std::collections::BTreeMap;

/// Metrics of one revision; further names are dropped, so that a guest cannot fill the memory.
const NAMES_MAX: usize = 64;
/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 64;

/// One metric.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metric {
    /// How often it was counted or observed.
    pub times: u64,
    /// All deltas and values together.
    pub sum: f64,
    /// The last delta or value.
    pub last: f64,
}

/// A revision's metrics, by name.
#[derive(Clone, Debug, Default)]
pub struct Metrics(BTreeMap<String, Metric>);

impl Metrics {
    /// One of them.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Metric)> {
        self.0.iter().map(|(name, metric)| (name.as_str(), metric))
    }

    pub(crate) fn record(&mut self, name: String, value: f64) {
        let known = self.0.contains_key(&name);
        if name.len() > NAME_BYTES_MAX || (!known && self.0.len() >= NAMES_MAX) {
            return;
        }
        let metric = self.0.entry(name).or_default();
        metric.times += 1;
        metric.sum += value;
        metric.last = value;
    }
}
