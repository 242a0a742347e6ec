//! JSON lines that hold nodes and changes: what `export` writes, and what `import` and `multi` read.
//! Knows no session.
//!
//! An export is a head, a line for each node, parents before children, and a last line that counts
//! them, by which a cut file is known:
//!
//! ```text
//! {"zareba-export":1,"path":"/app"}
//! {"path":".","data":"text","mode":"persistent"}
//! {"path":"jobs/n-0000000001","base64":"AAE=","mode":"persistent"}
//! {"end":true,"nodes":2,"bytes":6,"skippedEphemeral":0}
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zareba_client::model::{Acl, Change, CreateMode, ZnodePath};

/// The version of the format.
pub(super) const FORMAT: u32 = 1;

/// Longest line, bytes: a full node whose text is all escapes, and its path.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The format.
    #[serde(rename = "zareba-export")]
    pub(super) format: u32,
    /// Where the subtree was.
    pub(super) path: ZnodePath,
}

/// One node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeRecord {
    /// From the subtree's root, which is `.` itself.
    pub(super) path: String,
    /// Its data, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<String>,
    /// Its data otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<String>,
    /// How long it lives.
    pub(super) mode: Mode,
}

/// The last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct End {
    pub(super) end: bool,
    pub(super) nodes: u64,
    pub(super) bytes: u64,
    pub(super) skipped_ephemeral: u64,
}

/// How long a node lives and how it is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    #[default]
    Persistent,
    PersistentSequential,
    Ephemeral,
    EphemeralSequential,
}

/// One change of a multi.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ChangeRecord {
    Create {
        path: ZnodePath,
        data: Option<String>,
        base64: Option<String>,
        #[serde(default)]
        mode: Mode,
    },
    Set {
        path: ZnodePath,
        data: Option<String>,
        base64: Option<String>,
        version: Option<u64>,
    },
    Delete {
        path: ZnodePath,
        version: Option<u64>,
    },
    Check {
        path: ZnodePath,
        version: Option<u64>,
    },
}

impl NodeRecord {
    /// A node as it is exported.
    pub(super) fn new(path: &str, data: &Bytes) -> Self {
        let path = if path.is_empty() { "." } else { path }.to_owned();
        let (text, base64) = match std::str::from_utf8(data) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(data))),
        };
        Self {
            path,
            data: text,
            base64,
            mode: Mode::Persistent,
        }
    }

    /// The node below its new root, and its data.
    pub(super) fn read(self, root: &ZnodePath) -> anyhow::Result<(ZnodePath, Bytes)> {
        if self.mode != Mode::Persistent {
            bail!("only persistent nodes can be imported: others end with their sessions");
        }
        let path = match self.path.as_str() {
            "." => root.clone(),
            path => root.join(path)?,
        };
        Ok((path, data(self.data, self.base64)?))
    }
}

impl ChangeRecord {
    /// The change.
    pub(super) fn read(self) -> anyhow::Result<Change> {
        Ok(match self {
            Self::Create {
                path,
                data: text,
                base64,
                mode,
            } => Change::Create {
                path,
                data: data(text, base64)?,
                mode: mode.into(),
                acl: Acl::open(),
            },
            Self::Set {
                path,
                data: text,
                base64,
                version,
            } => Change::Set {
                path,
                data: data(text, base64)?,
                version,
            },
            Self::Delete { path, version } => Change::Delete { path, version },
            Self::Check { path, version } => Change::Check { path, version },
        })
    }
}

impl From<Mode> for CreateMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Persistent => Self::Persistent,
            Mode::PersistentSequential => Self::PersistentSequential,
            Mode::Ephemeral => Self::Ephemeral,
            Mode::EphemeralSequential => Self::EphemeralSequential,
        }
    }
}

fn data(text: Option<String>, base64: Option<String>) -> anyhow::Result<Bytes> {
    match (text, base64) {
        (Some(_), Some(_)) => bail!("a node has either data or base64, but this one has both"),
        (Some(text), None) => Ok(text.into()),
        (None, Some(base64)) => {
            let data = STANDARD.decode(base64);
            Ok(data.context("base64 was expected")?.into())
        }
        (None, None) => Ok(Bytes::new()),
    }
}

/// Lines of JSON with their numbers.
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

/// An export as it is read.
pub(super) struct ExportReader {
    lines: Lines,
    /// Where the subtree was.
    pub(super) path: ZnodePath,
    nodes: u64,
}

impl ExportReader {
    /// Reads the head.
    pub(super) fn new(mut lines: Lines) -> anyhow::Result<Self> {
        let Some(line) = lines.next()? else {
            bail!("{} is empty; an export was expected", lines.source);
        };
        let what = "an export was expected, as `zareba export` writes it";
        let head: Head = lines.read(&line).context(what)?;
        if head.format != FORMAT {
            bail!(
                "{} is an export of format {}, but this program reads format {FORMAT}",
                lines.source,
                head.format
            );
        }
        Ok(Self {
            lines,
            path: head.path,
            nodes: 0,
        })
    }

    /// The next node; nothing behind the last one, if nothing is missing.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<NodeRecord>> {
        let Some(line) = self.lines.next()? else {
            bail!(
                "{} is cut: it ends behind line {} without the line that counts its nodes; export \
                 again",
                self.lines.source,
                self.lines.number
            );
        };
        let value: Value = self.lines.read(&line)?;
        if value.get("end").is_none() {
            self.nodes += 1;
            let node = serde_json::from_value(value);
            return Ok(Some(
                node.with_context(|| format!("cannot use {}", self.lines.place()))?,
            ));
        }
        let end: End = self.lines.read(&line)?;
        if end.nodes != self.nodes {
            bail!(
                "{} holds {} nodes, but its last line counts {}; export again",
                self.lines.source,
                self.nodes,
                end.nodes
            );
        }
        if self.lines.next()?.is_some() {
            bail!("{} comes behind the last line", self.lines.place());
        }
        Ok(None)
    }

    /// Where the last line stands.
    pub(super) fn place(&self) -> String {
        self.lines.place()
    }

    /// The number of the last line.
    pub(super) fn line(&self) -> u64 {
        self.lines.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> anyhow::Result<ExportReader> {
        let bytes = std::io::Cursor::new(text.as_bytes().to_vec());
        ExportReader::new(Lines::new("it".to_owned(), Box::new(bytes)))
    }

    fn read(text: &str) -> anyhow::Result<Vec<(String, Bytes)>> {
        let mut reader = reader(text)?;
        let root = ZnodePath::parse("/new").unwrap();
        let mut nodes = Vec::new();
        while let Some(record) = reader.next()? {
            let (path, data) = record.read(&root)?;
            nodes.push((path.to_string(), data));
        }
        Ok(nodes)
    }

    const HEAD: &str = "{\"zareba-export\":1,\"path\":\"/app\"}\n";

    #[test]
    fn text_and_bytes_come_back_as_they_were() {
        let mut text = HEAD.to_owned();
        for (path, data) in [("", &b"a\n\"b\""[..]), ("x/y", &[0, 255, 1])] {
            let record = NodeRecord::new(path, &Bytes::copy_from_slice(data));
            text += &format!("{}\n", serde_json::to_string(&record).unwrap());
        }
        let end = End {
            end: true,
            nodes: 2,
            ..End::default()
        };
        text += &serde_json::to_string(&end).unwrap();
        let nodes = read(&text).unwrap();
        let expected = [
            ("/new".to_owned(), Bytes::from_static(b"a\n\"b\"")),
            ("/new/x/y".to_owned(), Bytes::from_static(&[0, 255, 1])),
        ];
        assert_eq!(nodes, expected);
    }

    #[test]
    fn a_file_that_is_not_whole_is_noticed() {
        let node = "{\"path\":\".\",\"mode\":\"persistent\"}\n";
        let end = "{\"end\":true,\"nodes\":1,\"bytes\":0,\"skippedEphemeral\":0}\n";
        assert_eq!(read(&format!("{HEAD}{node}{end}")).unwrap().len(), 1);
        for (text, word) in [
            (String::new(), "empty"),
            (HEAD.to_owned(), "is cut"),
            (format!("{HEAD}{node}"), "is cut"),
            (format!("{HEAD}{end}"), "counts 1"),
            (format!("{HEAD}{node}{node}{end}"), "holds 2 nodes"),
            (format!("{HEAD}{node}{end}{node}"), "behind the last line"),
            (format!("{HEAD}{{\"path\":"), "line 2"),
            (format!("{node}{end}"), "an export was expected"),
            (HEAD.replace(":1", ":9"), "format 9"),
            (
                format!("{HEAD}{}", node.replace("persistent", "ephemeral")),
                "only persistent",
            ),
            (format!("{HEAD}{}", node.replace('.', "../x")), "'..'"),
        ] {
            let error = format!("{:#}", read(&text).unwrap_err());
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn changes_are_read_with_their_defaults() {
        let read = |text: &str| serde_json::from_str::<ChangeRecord>(text).unwrap().read();
        let path = ZnodePath::parse("/a").unwrap();
        let created = read(r#"{"op":"create","path":"/a","base64":"AAE="}"#).unwrap();
        let Change::Create { data, mode, .. } = created else {
            panic!("{created:?}");
        };
        assert_eq!((&data[..], mode), (&[0, 1][..], CreateMode::Persistent));
        let deleted = read(r#"{"op":"delete","path":"/a"}"#).unwrap();
        let version = None;
        assert_eq!(deleted, Change::Delete { path, version });
        assert!(read(r#"{"op":"set","path":"/a","data":"x","base64":"AA=="}"#).is_err());
        assert!(serde_json::from_str::<ChangeRecord>(r#"{"op":"drop","path":"/a"}"#).is_err());
    }
}
