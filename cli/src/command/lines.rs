//! Lines of JSON with their numbers, of a file or of standard input. Knows nothing of what they hold.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

/// Longest line, bytes: a full node whose text is all escapes, and its path.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// See the file's first lines.
pub(super) struct Lines {
    source: String,
    lines: BufReader<Box<dyn Read>>,
    number: u64,
}

impl Lines {
    /// Of a file.
    pub(super) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::new(path.display().to_string(), Box::new(file)))
    }

    /// Of anything that can be read, by its name.
    pub(super) fn new(source: String, lines: Box<dyn Read>) -> Self {
        Self {
            source,
            lines: BufReader::new(lines),
            number: 0,
        }
    }

    /// What is read.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Where the last line stands.
    pub(super) fn place(&self) -> String {
        format!("line {} of {}", self.number, self.source)
    }

    /// The number of the last line.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.lines).take(LINE_BYTES_MAX);
            bounded
                .read_until(b'\n', &mut line)
                .with_context(|| format!("cannot read {}", self.source))?;
            if line.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            if line.len() as u64 == LINE_BYTES_MAX {
                bail!("{} is longer than {LINE_BYTES_MAX} bytes", self.place());
            }
            let line = String::from_utf8(line).ok();
            let line = line.with_context(|| format!("{} is no text", self.place()))?;
            if !line.trim().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// What a line holds.
    pub(super) fn read<T: DeserializeOwned>(&self, line: &str) -> anyhow::Result<T> {
        serde_json::from_str(line).with_context(|| format!("cannot use {}", self.place()))
    }
}
