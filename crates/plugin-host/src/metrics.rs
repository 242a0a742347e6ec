//! What guests count and observe, per revision, on this server alone. Knows no exporter.

use std::collections::BTreeMap;

use zareba_model::GuestMetric;

/// Metrics of one revision; further names are dropped, so that a guest cannot fill the memory.
const NAMES_MAX: usize = 64;
/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 64;

/// A revision's metrics, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<String, GuestMetric>);

impl Metrics {
    /// All of them, by name.
    pub(crate) fn to_vec(&self) -> Vec<GuestMetric> {
        self.0.values().cloned().collect()
    }

    /// One more; a value that is no number is none.
    pub(crate) fn record(&mut self, name: String, value: f64) {
        let known = self.0.contains_key(&name);
        let is_too_much = name.len() > NAME_BYTES_MAX || (!known && self.0.len() >= NAMES_MAX);
        if is_too_much || !value.is_finite() {
            return;
        }
        let metric = self.0.entry(name.clone()).or_default();
        metric.name = name;
        metric.times += 1;
        metric.sum = (metric.sum + value).clamp(f64::MIN, f64::MAX);
        metric.last = value;
    }
}
