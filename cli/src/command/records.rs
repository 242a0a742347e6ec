//! The JSON lines of an export, which `export` writes and `import` reads. Knows no session.
//!
//! An export is a head, a line for each node, parents before children, and a last line that counts
//! them, by which a cut file is known:
//!
//! ```text
//! {"zareba-export":1,"path":"/app"}
//! {"path":".","data":"text","mode":"persistent","acl":["x509:CN=app:rwcda"]}
//! {"path":"jobs/n-0000000001","base64":"AAE=","mode":"persistent","lifetime":{"ttlMs":60000}}
//! {"end":true,"nodes":2,"bytes":6,"skippedEphemeral":0}
//! ```
//!
//! `acl` and `lifetime` are missing where there is nothing to say: the node is open to everybody, and lives
//! until it is deleted. A program that does not know them refuses a line that has them.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zareba_client::model::{Acl, CreateMode, Lifetime, ZnodePath};

use super::lines::Lines;
use crate::acl;

/// The version of the format.
pub(super) const FORMAT: u32 = 1;

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
    /// How it was named, and whether it belongs to a session.
    pub(super) mode: Mode,
    /// Who may do what with it, an entry each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acl: Option<Vec<String>>,
    /// When it goes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lifetime: Option<LifetimeRecord>,
}

/// When a node goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum LifetimeRecord {
    /// Once it has had children and has had none for a while.
    Container,
    /// Once nobody has set its data for so many milliseconds while it has no children.
    TtlMs(u64),
}

/// A node that is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Imported {
    pub(super) path: ZnodePath,
    pub(super) data: Bytes,
    pub(super) mode: CreateMode,
    pub(super) acl: Acl,
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

impl NodeRecord {
    /// A node as it is exported.
    pub(super) fn new(path: &str, data: &Bytes, acl: &Acl, lifetime: Lifetime) -> Self {
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
            acl: (!acl.is_open()).then(|| acl::entries(acl)),
            lifetime: match lifetime {
                Lifetime::Container => Some(LifetimeRecord::Container),
                Lifetime::Ttl(ms) => Some(LifetimeRecord::TtlMs(ms)),
                Lifetime::Persistent | Lifetime::Ephemeral(_) => None,
            },
        }
    }

    /// The node below its new root.
    pub(super) fn read(self, root: &ZnodePath) -> anyhow::Result<Imported> {
        if self.mode != Mode::Persistent {
            bail!("only persistent nodes can be imported: others end with their sessions");
        }
        let path = match self.path.as_str() {
            "." => root.clone(),
            path => root.join(path)?,
        };
        Ok(Imported {
            path,
            data: data(self.data, self.base64)?,
            mode: self.mode.with(self.lifetime)?,
            acl: read_acl(self.acl)?,
        })
    }
}

impl Mode {
    /// How a node with that lifetime is made.
    pub(super) fn with(self, lifetime: Option<LifetimeRecord>) -> anyhow::Result<CreateMode> {
        Ok(match (self, lifetime) {
            (Self::Persistent, None) => CreateMode::Persistent,
            (Self::PersistentSequential, None) => CreateMode::PersistentSequential,
            (Self::Ephemeral, None) => CreateMode::Ephemeral,
            (Self::EphemeralSequential, None) => CreateMode::EphemeralSequential,
            (Self::Persistent, Some(LifetimeRecord::Container)) => CreateMode::Container,
            (Self::Persistent, Some(LifetimeRecord::TtlMs(ms))) => CreateMode::Ttl(ms),
            (Self::PersistentSequential, Some(LifetimeRecord::TtlMs(ms))) => {
                CreateMode::TtlSequential(ms)
            }
            (Self::PersistentSequential, Some(LifetimeRecord::Container)) => {
                bail!("a container has a name of its own, not a sequential one")
            }
            (Self::Ephemeral | Self::EphemeralSequential, Some(_)) => {
                bail!("an ephemeral node goes with its session; it has no other lifetime")
            }
        })
    }
}

/// The list of these entries; the open one if there are none.
pub(super) fn read_acl(entries: Option<Vec<String>>) -> anyhow::Result<Acl> {
    let entries = entries.unwrap_or_default();
    let entries = entries.iter().map(|text| {
        let entry = acl::read_entry(text);
        entry.map_err(|error| anyhow::anyhow!("the entry {text:?} of the acl: {error}"))
    });
    Ok(Acl(entries.collect::<Result<_, _>>()?))
}

pub(super) fn data(text: Option<String>, base64: Option<String>) -> anyhow::Result<Bytes> {
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
            bail!("{} is empty; an export was expected", lines.source());
        };
        let what = "an export was expected, as `zareba export` writes it";
        let head: Head = lines.read(&line).context(what)?;
        if head.format != FORMAT {
            bail!(
                "{} is an export of format {}, but this program reads format {FORMAT}",
                lines.source(),
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
                self.lines.source(),
                self.lines.number()
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
                self.lines.source(),
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
            let node = record.read(&root)?;
            nodes.push((node.path.to_string(), node.data));
        }
        Ok(nodes)
    }

    const HEAD: &str = "{\"zareba-export\":1,\"path\":\"/app\"}\n";

    #[test]
    fn text_and_bytes_come_back_as_they_were() {
        let mut text = HEAD.to_owned();
        for (path, data) in [("", &b"a\n\"b\""[..]), ("x/y", &[0, 255, 1])] {
            let data = Bytes::copy_from_slice(data);
            let record = NodeRecord::new(path, &data, &Acl::open(), Lifetime::Persistent);
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
    fn lists_and_lifetimes_come_back_as_they_were() {
        let entries =
            ["world:anyone:r", "x509:CN=app:rwcda"].map(|it| acl::read_entry(it).unwrap());
        let root = ZnodePath::parse("/new").unwrap();
        for (lifetime, mode, acl) in [
            (Lifetime::Persistent, CreateMode::Persistent, Acl::open()),
            (Lifetime::Container, CreateMode::Container, Acl::open()),
            (
                Lifetime::Ttl(60_000),
                CreateMode::Ttl(60_000),
                Acl(entries.to_vec()),
            ),
        ] {
            let record = NodeRecord::new("x", &Bytes::new(), &acl, lifetime);
            let line = serde_json::to_string(&record).unwrap();
            let back: NodeRecord = serde_json::from_str(&line).unwrap();
            let path = root.join("x").unwrap();
            let data = Bytes::new();
            let expected = Imported {
                path,
                data,
                mode,
                acl,
            };
            assert_eq!(back.read(&root).unwrap(), expected);
        }
        let refused = |line: &str| {
            let record: NodeRecord = serde_json::from_str(line).unwrap();
            record.read(&root).unwrap_err().to_string()
        };
        let bad = refused(r#"{"path":"x","mode":"persistent","acl":["me:rw"]}"#);
        assert!(bad.contains("SCHEME:ID:PERMS"), "{bad}");
    }
}
