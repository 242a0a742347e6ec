//! Plugins, their revisions, mounts, parked calls and timers, as replicated records.
//! Knows nothing of WebAssembly.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{SessionId, Xid, ZnodePath, Zxid};

/// The content address of a component.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Sha256 {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        // A sign would pass for a digit.
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// What a plugin says of itself, once, at push.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginDescription {
    /// Version of the layout of its nodes; a change makes `migrate` run at activation.
    pub state_version: u32,
    /// For people.
    pub doc: String,
    /// What it can be asked.
    pub ops: Vec<OpDescription>,
    /// Which events below its mount it wants.
    pub watches: Vec<WatchDescription>,
}

impl PluginDescription {
    /// The operation of that name.
    pub fn op(&self, name: &str) -> Option<&OpDescription> {
        self.ops.iter().find(|op| op.name == name)
    }
}

/// One operation of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpDescription {
    /// Its name.
    pub name: String,
    /// True for a query: served by any server, writes nothing.
    pub read_only: bool,
    /// True if its answer may come later.
    pub may_park: bool,
    /// For people.
    pub doc: String,
    /// Shape of its input.
    pub input: String,
    /// Shape of its output.
    pub output: String,
}

/// Events a plugin wants: a mount-relative pattern (`*` is one part, `**` is any rest) and a set
/// of event kinds, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchDescription {
    /// Mount-relative pattern.
    pub pattern: String,
    /// Bit set: 1 created, 2 changed, 4 deleted.
    pub kinds: u32,
}

/// One pushed build of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its content address.
    pub sha256: Sha256,
    /// Size of the component in bytes.
    pub size: u64,
    /// Transaction that registered it.
    pub registered: Zxid,
    /// What it says of itself.
    pub description: PluginDescription,
    /// Whose signature it came with, if it came with one.
    pub publisher: Option<String>,
}

/// The public half of an ed25519 key, with which a publisher signs components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublisherKey(pub [u8; 32]);

impl fmt::Display for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Sha256(self.0), f)
    }
}

impl PublisherKey {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        Sha256::parse(text).map(|bytes| Self(bytes.0))
    }
}

/// Who may publish components, and whether anybody else may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Publishers {
    /// True if a component without the signature of one of them is refused.
    pub required: bool,
    /// Their keys, by name.
    pub keys: BTreeMap<String, PublisherKey>,
}

/// A publisher's word that a component is to be a revision of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Whose.
    pub publisher: String,
    /// An ed25519 signature of [`signed_text`], 64 bytes.
    pub bytes: Bytes,
}

/// What a publisher signs: the plugin's name too, so that the signature is of no use for another plugin.
pub fn signed_text(plugin: &str, sha256: &Sha256) -> Vec<u8> {
    let mut text = b"zareba plugin revision\0".to_vec();
    text.extend_from_slice(plugin.as_bytes());
    text.push(0);
    text.extend_from_slice(&sha256.0);
    text
}

/// Bounds on one guest call at a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory, bytes.
    pub memory_bytes_max: u64,
    /// Time on a processor, milliseconds.
    pub time_ms_max: u32,
    /// Calls from guest to host.
    pub host_calls_max: u32,
    /// Staged changes.
    pub ops_max: u32,
    /// Bytes staged.
    pub bytes_max: u32,
    /// Log lines.
    pub log_lines_max: u32,
    /// Calls parked at the mount at once.
    pub parked_calls_max: u32,
    /// Reuse one instance for many calls instead of a fresh one each.
    pub warm: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            time_ms_max: 50,
            host_calls_max: 10_000,
            ops_max: 1_000,
            bytes_max: 1 << 20,
            log_lines_max: 16,
            parked_calls_max: 100_000,
            warm: false,
        }
    }
}

/// A plugin revision bound to a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where; all its state lies below.
    pub path: ZnodePath,
    /// The plugin's name.
    pub plugin: String,
    /// The revision in use here.
    pub revision: Sha256,
    /// What the operator told it.
    pub config: BTreeMap<String, String>,
    /// Its bounds.
    pub limits: Limits,
    /// Events whose handling failed, to be tried again, oldest first.
    pub backlog: Vec<GuestEvent>,
    /// How often in a row handling the backlog has failed.
    pub failures: u32,
    /// Set when it failed too often: commands are refused until a revision is activated, or an operator
    /// says that it may go on.
    pub quarantined: Option<String>,
    /// Set by an operator, with the reason: commands are refused, and events wait, until it is resumed.
    pub paused: Option<String>,
}

/// Something a guest reacts to. Paths are relative to the mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum GuestEvent {
    /// A node below the mount was created by somebody else.
    Created { path: String },
    /// A node below the mount was set by somebody else.
    Changed { path: String },
    /// A node below the mount was deleted by somebody else or by its session's end; `data` is
    /// what it held, `session` its owner.
    Deleted {
        path: String,
        session: SessionId,
        data: Bytes,
    },
    /// A parked call was cancelled by its session's end or its timeout.
    Cancelled {
        call: CallId,
        session: SessionId,
        tag: String,
    },
    /// A timer rang.
    Timer { tag: String },
}

/// A parked call, named by the packed zxid of the transaction that parked it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct CallId(pub u64);

/// A command that is answered later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedCall {
    /// Its name.
    pub id: CallId,
    /// Whose it is.
    pub session: SessionId,
    /// The request it answers.
    pub xid: Xid,
    /// The mount it was made at.
    pub mount: ZnodePath,
    /// The operation.
    pub op: String,
    /// The plugin's own word for what it waits for.
    pub tag: String,
    /// When it was parked, transaction time in milliseconds.
    pub since: u64,
    /// When it fails by itself, transaction time in milliseconds.
    pub deadline: Option<u64>,
}

/// A plugin's alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Whose it is.
    pub mount: ZnodePath,
    /// The plugin's own word for it; setting the same again moves it.
    pub tag: String,
    /// When it rings, transaction time in milliseconds.
    pub due: u64,
}
