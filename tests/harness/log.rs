//! The end of a log, shown when a test fails.

use std::path::Path;

/// Lines shown of each log.
const LINES: usize = 60;

/// Prints the last lines of a log.
pub(crate) fn show_tail(title: &str, path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let skipped = lines.len().saturating_sub(LINES);
    eprintln!("--- {title}: the last lines of {} ---", lines.len());
    for line in lines.iter().skip(skipped) {
        eprintln!("{line}");
    }
}
