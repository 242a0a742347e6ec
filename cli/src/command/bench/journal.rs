//! What a server's process has logged, line by line, and when. Knows the form of a line's time and
//! nothing of what the lines say.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::watch;

/// One line.
#[derive(Clone, Debug)]
struct Line {
    /// Microseconds since 1970, as the server wrote them.
    at: u64,
    text: String,
}

/// All lines so far.
#[derive(Debug)]
pub(super) struct Journal {
    lines: Mutex<Vec<Line>>,
    grown: watch::Sender<()>,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self {
            lines: Mutex::default(),
            grown: watch::Sender::new(()),
        }
    }

    /// Adds a line. One without a time belongs to the line before.
    pub(super) fn add(&self, text: String) {
        let mut lines = self.lines();
        let before = lines.last().map_or(0, |line| line.at);
        let at = unix_us(&text).unwrap_or(before);
        lines.push(Line { at, text });
        drop(lines);
        self.grown.send_replace(());
    }

    /// When the first line at or after `from` says `words`.
    pub(super) fn first(&self, from: u64, words: &str) -> Option<u64> {
        let lines = self.lines();
        let mut saying = lines.iter().filter(|line| line.text.contains(words));
        saying.find(|line| line.at >= from).map(|line| line.at)
    }

    /// How many lines from `from` on and before `to` say `words`.
    pub(super) fn count(&self, from: u64, to: u64, words: &str) -> usize {
        let lines = self.lines();
        let within = lines.iter().filter(|line| (from..to).contains(&line.at));
        within.filter(|line| line.text.contains(words)).count()
    }

    /// Waits until a line at or after `from` says `words`.
    pub(super) async fn until(&self, from: u64, words: &str) -> anyhow::Result<u64> {
        let mut grown = self.grown.subscribe();
        let waiting = async {
            loop {
                if let Some(at) = self.first(from, words) {
                    return Ok(at);
                }
                grown.changed().await?;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => bail!(
                "no server said {words:?} within {PATIENCE:?}; it said last:\n{}",
                self.tail()
            ),
        }
    }

    /// The last lines.
    pub(super) fn tail(&self) -> String {
        let lines = self.lines();
        let skipped = lines.len().saturating_sub(TAIL);
        let last = lines.iter().skip(skipped).map(|line| line.text.as_str());
        last.collect::<Vec<_>>().join("\n")
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(300);

/// Lines shown when something goes wrong.
const TAIL: usize = 30;

/// The time at a line's head, such as `2026-11-21T12:03:20.123456Z`.
fn unix_us(line: &str) -> Option<u64> {
    let (head, _) = line.trim_start().split_once('Z')?;
    let (date, time) = head.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hours, minutes, seconds] = numbers(time, ':')?;
    let days = days_since_1970(year, month, day)?;
    let seconds = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(seconds * 1_000_000 + micros)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = text.split(separator).map(|it| it.parse().ok()).collect();
    parts?.try_into().ok()
}

/// Days of the Gregorian calendar, years counted from March so that a leap day is a year's last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day.checked_sub(1)?;
    days.checked_sub(719_468)
}

/// A task that puts a process's error output into a journal, until its end.
pub(super) async fn follow(
    journal: std::sync::Arc<Journal>,
    errors: tokio::process::ChildStderr,
) -> anyhow::Result<()> {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut lines = BufReader::new(errors).lines();
    while let Some(line) = lines.next_line().await.context("reading a server's log")? {
        journal.add(line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lines_time_is_read_to_the_microsecond() {
        let cases = [
            ("1970-01-01T00:00:00.000001Z  INFO x", Some(1)),
            ("2000-02-29T12:00:00Z", Some(951_825_600_000_000)),
            (
                "2026-11-21T12:03:20.123456Z  INFO zareba: leading",
                Some(1_795_262_600_123_456),
            ),
            ("thread panicked", None),
            ("a-b-cTd:e:fZ", None),
        ];
        for (line, expected) in cases {
            assert_eq!(unix_us(line), expected, "{line}");
        }
    }

    #[test]
    fn lines_are_found_by_time_and_words() {
        let journal = Journal::new();
        journal.add("1970-01-01T00:00:01Z INFO looking".to_owned());
        journal.add("1970-01-01T00:00:02Z INFO looking again".to_owned());
        journal.add("  of the line before".to_owned());
        assert_eq!(journal.first(0, "looking"), Some(1_000_000));
        assert_eq!(journal.first(1_000_001, "looking"), Some(2_000_000));
        assert_eq!(journal.first(2_000_000, "before"), Some(2_000_000));
        assert_eq!(journal.first(2_000_001, "looking"), None);
        assert_eq!(journal.count(0, 2_000_000, "looking"), 1);
    }
}
