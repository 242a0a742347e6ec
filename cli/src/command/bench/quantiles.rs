//! Few samples in order: the median and the worst of them. Knows no unit.

/// The value that `part` of the samples do not exceed, by nearest rank; none without samples.
pub(super) fn quantile(samples: &[u64], part: f64) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// A row of a table in milliseconds: median, p99, maximum.
pub(super) fn row(name: &str, samples_us: &[u64]) -> [String; 5] {
    let cell = |part| match quantile(samples_us, part) {
        Some(us) => format!("{:.1}", us as f64 / 1000.0),
        None => "-".to_owned(),
    };
    [
        name.to_owned(),
        samples_us.len().to_string(),
        cell(0.5),
        cell(0.99),
        cell(1.0),
    ]
}

/// The heads of such rows.
pub(super) const HEADER: [&str; 5] = ["milliseconds", "n", "median", "p99", "max"];

/// The same for programs, in microseconds.
pub(super) fn json(samples_us: &[u64]) -> serde_json::Value {
    serde_json::json!({
        "n": samples_us.len(),
        "median": quantile(samples_us, 0.5),
        "p99": quantile(samples_us, 0.99),
        "max": quantile(samples_us, 1.0),
        "all": samples_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let samples: Vec<u64> = (1..=30).rev().collect();
        assert_eq!(quantile(&samples, 0.5), Some(15));
        assert_eq!(quantile(&samples, 0.99), Some(30));
        assert_eq!(quantile(&[7], 0.5), Some(7));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(row("x", &[1500]), ["x", "1", "1.5", "1.5", "1.5"]);
    }
}
