//! The state as records: read one by one while transactions go on, and put together again. Knows
//! no encoding and no disk.
//!
//! An image made of records that were read between transactions S and E is fuzzy: it is no state
//! that ever was. Applying all transactions behind S to it, up to E or any later one, gives that
//! one's state (see `apply` for why).

use std::cmp::Ordering;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zareba_model::{
    Acl, CallId, JoinToken, Lifetime, Mount, ParkedCall, Publishers, Quota, SessionId, Sha256,
    Timer, Usage, ZnodePath, Zxid,
};

use crate::digest::Digest;
use crate::membership::{AdministratorsRecord, EnsembleRecord};
use crate::node::{Data, Folder, Node};
use crate::nodes::NodeId;
use crate::plugins::PluginRecord;
use crate::sessions::Session;
use crate::tree::Tree;

/// The name of a record. Their order is that of [`Tree::records_after`]: kinds as declared here but
/// for [`RecordKey::Meta`], which is last, nodes before their children and children by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RecordKey {
    /// A node.
    Node(ZnodePath),
    /// A session with its results.
    Session(SessionId),
    /// A parked call.
    Parked(CallId),
    /// A plugin's alarm.
    Timer {
        /// Whose it is.
        mount: ZnodePath,
        /// The plugin's word for it.
        tag: String,
    },
    /// A plugin.
    Plugin(String),
    /// A piece of a component.
    ComponentChunk {
        /// The component.
        sha256: Sha256,
        /// Where the piece begins.
        offset: u64,
    },
    /// A mount.
    Mount(ZnodePath),
    /// Where the tree stands. Never among changed keys or in a walk: it changes always.
    Meta,
    /// The ensemble.
    Ensemble,
    /// A token that lets a server join, by its hash.
    Token(Sha256),
    /// Who may administer the ensemble.
    Administrators,
    /// How much a subtree may hold.
    Quota(ZnodePath),
    /// Who may publish components.
    Publishers,
}

/// A piece of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A node.
    Node(NodeRecord),
    /// A session with its results.
    Session(Session),
    /// A parked call.
    Parked(ParkedCall),
    /// A plugin's alarm.
    Timer(Timer),
    /// A plugin.
    Plugin(PluginRecord),
    /// A piece of a component.
    ComponentChunk {
        /// Size of the whole.
        total: u64,
        /// The piece.
        data: Bytes,
    },
    /// A mount.
    Mount(Mount),
    /// Where the tree stands.
    Meta {
        /// The last transaction applied.
        applied: Zxid,
        /// Its time.
        time: u64,
        /// The digest after it.
        digest: u64,
    },
    /// The ensemble.
    Ensemble(EnsembleRecord),
    /// A token that lets a server join.
    Token(JoinToken),
    /// Who may administer the ensemble.
    Administrators(AdministratorsRecord),
    /// How much a subtree may hold.
    Quota(Quota),
    /// Who may publish components.
    Publishers(Publishers),
}

/// A node without its name and children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its data.
    pub data: Bytes,
    /// Who may use it.
    pub acl: Acl,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Transaction that created it.
    pub czxid: Zxid,
    /// Transaction that last set its data.
    pub mzxid: Zxid,
    /// Transaction that last changed its list of children.
    pub pzxid: Zxid,
    /// Creation time.
    pub ctime: u64,
    /// Time of the last set.
    pub mtime: u64,
    /// How often its data was set.
    pub version: u64,
    /// How many children it ever had.
    pub created: u64,
    /// How often its access control list was set.
    pub aversion: u64,
}

/// The image cannot be what was written: throw it away and fetch another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// The record is of another kind, or names another thing, than its key.
    #[error("the record stored under {0:?} is not one of that")]
    Mismatched(RecordKey),
}

impl Tree {
    /// A record as it is now; `None` if there is no such thing any more.
    pub fn record(&self, key: &RecordKey) -> Option<Record> {
        match key {
            RecordKey::Node(path) => {
                let id = self.nodes.find(path.as_str())?;
                self.nodes
                    .get(id)
                    .map(|node| Record::Node(NodeRecord::of(node)))
            }
            RecordKey::Session(id) => self.session(*id).cloned().map(Record::Session),
            RecordKey::Parked(id) => self.parked(*id).cloned().map(Record::Parked),
            RecordKey::Timer { mount, tag } => self.timer(mount, tag).cloned().map(Record::Timer),
            RecordKey::Plugin(name) => self.plugin(name).cloned().map(Record::Plugin),
            RecordKey::ComponentChunk { sha256, offset } => {
                let component = self.component(sha256)?;
                let data = component.chunk(*offset)?.clone();
                let total = component.total();
                Some(Record::ComponentChunk { total, data })
            }
            RecordKey::Mount(path) => self.mount(path.as_str()).cloned().map(Record::Mount),
            RecordKey::Meta => Some(Record::Meta {
                applied: self.applied,
                time: self.time,
                digest: self.digest.0,
            }),
            RecordKey::Ensemble => self.membership.record().cloned().map(Record::Ensemble),
            RecordKey::Token(hash) => self.join_token(hash).cloned().map(Record::Token),
            RecordKey::Administrators => {
                let record = self.membership.administrators_record();
                record.cloned().map(Record::Administrators)
            }
            RecordKey::Quota(path) => {
                let found = self.quota(path.as_str());
                found.map(|(quota, _)| Record::Quota(quota))
            }
            RecordKey::Publishers => {
                let record = self.publishers_record();
                record.cloned().map(Record::Publishers)
            }
        }
    }

    /// The records behind a key, at least one and about `max_bytes` together, and whether there
    /// are more. Transactions may go on between two calls: what they change behind the cursor is
    /// seen, and what they change before it is in the log.
    pub fn records_after(
        &self,
        cursor: Option<&RecordKey>,
        max_bytes: usize,
    ) -> (Vec<(RecordKey, Record)>, bool) {
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut next = self.key_after(cursor);
        while let Some(key) = next {
            if bytes >= max_bytes && !records.is_empty() {
                return (records, true);
            }
            next = self.key_after(Some(&key));
            if let Some(record) = self.record(&key) {
                bytes += size(&key, &record);
                records.push((key, record));
            }
        }
        (records, false)
    }

    /// The first key behind another in the order of a walk.
    fn key_after(&self, cursor: Option<&RecordKey>) -> Option<RecordKey> {
        let Some(cursor) = cursor else {
            return Some(RecordKey::Node(ZnodePath::root()));
        };
        let same_kind = match cursor {
            RecordKey::Node(path) => self
                .nodes
                .successor(path)
                .map(|node| RecordKey::Node(node.path.clone())),
            RecordKey::Session(id) => self.sessions.after(Some(*id)).map(RecordKey::Session),
            RecordKey::Parked(id) => self.calls.after(Some(*id)).map(RecordKey::Parked),
            RecordKey::Timer { mount, tag } => self.timers.after(Some((mount, tag))).map(timer_key),
            RecordKey::Plugin(name) => self
                .plugins
                .plugin_after(Some(name))
                .map(|name| RecordKey::Plugin(name.to_owned())),
            RecordKey::ComponentChunk { sha256, offset } => self
                .plugins
                .chunk_after(Some((*sha256, *offset)))
                .map(chunk_key),
            RecordKey::Mount(path) => self
                .plugins
                .mount_after(Some(path))
                .map(|mount| RecordKey::Mount(mount.path.clone())),
            RecordKey::Ensemble => None,
            RecordKey::Token(hash) => self
                .membership
                .token_after(Some(*hash))
                .map(RecordKey::Token),
            RecordKey::Administrators => None,
            RecordKey::Quota(path) => self.quotas.after(Some(path)).map(RecordKey::Quota),
            RecordKey::Publishers => None,
            RecordKey::Meta => return None,
        };
        same_kind.or_else(|| {
            (rank(cursor) + 1..rank(&RecordKey::Meta)).find_map(|kind| self.first_key(kind))
        })
    }

    /// Nothing as long as nobody has set it.
    fn publishers_record(&self) -> Option<&Publishers> {
        let publishers = self.plugins.publishers();
        (*publishers != Publishers::default()).then_some(publishers)
    }

    /// The first key of a kind, by its rank.
    fn first_key(&self, kind: u8) -> Option<RecordKey> {
        match kind {
            1 => self.sessions.after(None).map(RecordKey::Session),
            2 => self.calls.after(None).map(RecordKey::Parked),
            3 => self.timers.after(None).map(timer_key),
            4 => self
                .plugins
                .plugin_after(None)
                .map(|name| RecordKey::Plugin(name.to_owned())),
            5 => self.plugins.chunk_after(None).map(chunk_key),
            6 => self
                .plugins
                .mount_after(None)
                .map(|mount| RecordKey::Mount(mount.path.clone())),
            7 => self.membership.record().map(|_| RecordKey::Ensemble),
            8 => self.membership.token_after(None).map(RecordKey::Token),
            9 => {
                let record = self.membership.administrators_record();
                record.map(|_| RecordKey::Administrators)
            }
            10 => self.quotas.after(None).map(RecordKey::Quota),
            11 => self.publishers_record().map(|_| RecordKey::Publishers),
            _ => None,
        }
    }
}

impl NodeRecord {
    fn of(node: &Node) -> Self {
        Self {
            data: node.data.to_bytes(),
            acl: node.acl().clone(),
            lifetime: node.lifetime(),
            czxid: node.czxid,
            mzxid: node.mzxid,
            pzxid: node.pzxid(),
            ctime: node.ctime,
            mtime: node.mtime,
            version: node.version,
            created: node.created(),
            aversion: node.aversion(),
        }
    }

    /// Puts the record into a node, whose children stay as they are.
    fn fill(&self, node: &mut Node) {
        node.data = Data::new(&self.data);
        node.set_guard(self.lifetime, &self.acl, self.aversion);
        node.czxid = self.czxid;
        node.mzxid = self.mzxid;
        node.ctime = self.ctime;
        node.mtime = self.mtime;
        node.version = self.version;
        if node.folder.is_some() || self.created > 0 || self.pzxid != self.czxid {
            let folder: &mut Folder = node.folder.get_or_insert_default();
            folder.created = self.created;
            folder.pzxid = self.pzxid;
        }
    }
}

/// Puts a tree together from records that come in any order.
#[derive(Debug)]
pub struct TreeBuilder {
    tree: Tree,
    /// Nodes that came before their parents.
    waiting: Vec<(ZnodePath, NodeRecord)>,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        let tree = Tree::bare();
        let waiting = Vec::new();
        Self { tree, waiting }
    }
}

impl TreeBuilder {
    /// Adds one record. [`Record::Meta`] is ignored: [`TreeBuilder::finish`] is told instead.
    pub fn add(&mut self, key: RecordKey, record: Record) -> Result<(), RestoreError> {
        let digest = &mut self.tree.digest;
        match (key, record) {
            (RecordKey::Node(path), Record::Node(node)) => {
                if !self.add_node(&path, &node) {
                    self.waiting.push((path, node));
                }
            }
            (RecordKey::Session(id), Record::Session(session)) if id == session.id => {
                self.tree.sessions.put(session, digest);
            }
            (RecordKey::Parked(id), Record::Parked(call)) if id == call.id => {
                self.tree.calls.insert(call, digest);
            }
            (RecordKey::Timer { mount, tag }, Record::Timer(timer))
                if mount == timer.mount && tag == timer.tag =>
            {
                self.tree.timers.set(timer, digest);
            }
            (RecordKey::Plugin(name), Record::Plugin(plugin)) => {
                self.tree.plugins.put_plugin(&name, plugin, digest);
            }
            (
                RecordKey::ComponentChunk { sha256, offset },
                Record::ComponentChunk { total, data },
            ) => {
                self.tree
                    .plugins
                    .store_chunk(sha256, total, offset, &data, digest);
            }
            (RecordKey::Mount(path), Record::Mount(mount)) if path == mount.path => {
                self.tree.plugins.put_mount(mount, digest);
            }
            (RecordKey::Ensemble, Record::Ensemble(record)) => {
                self.tree.membership.put(record, digest);
            }
            (RecordKey::Token(hash), Record::Token(token)) if hash == token.hash => {
                self.tree.membership.put_token(token, digest);
            }
            (RecordKey::Administrators, Record::Administrators(record)) => {
                self.tree.membership.set_administrators(record, digest);
            }
            (RecordKey::Quota(path), Record::Quota(quota)) => {
                // Counted when all nodes are there.
                self.tree.quotas.set(&path, quota, Usage::default(), digest);
            }
            (RecordKey::Publishers, Record::Publishers(publishers)) => {
                self.tree.plugins.set_publishers(publishers, digest);
            }
            (RecordKey::Meta, Record::Meta { .. }) => {}
            (key, _) => return Err(RestoreError::Mismatched(key)),
        }
        Ok(())
    }

    /// The tree. `applied` is the transaction after which the first record was read, and where
    /// replay begins; `consistent_at` the one after which the last was read: digests are neither
    /// remembered nor compared before it is applied. They are equal for an image that is not fuzzy.
    ///
    /// Nodes whose parent is not there are left out: the parent can only have come or gone behind
    /// `applied`, so that the log brings them back or ends them. Their keys are marked as changed,
    /// for the image still holds them.
    pub fn finish(mut self, applied: Zxid, consistent_at: Zxid, time: u64) -> Tree {
        let mut waiting = std::mem::take(&mut self.waiting);
        // Parents come before children in this order.
        waiting.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (path, node) in waiting {
            if !self.add_node(&path, &node) {
                self.tree.dirty.mark(RecordKey::Node(path));
            }
        }
        let mut tree = self.tree;
        let parked: Vec<_> = tree
            .calls
            .iter()
            .map(|call| (call.session, call.xid, call.id))
            .collect();
        for (session, xid, call) in parked {
            tree.sessions.park(session, xid, call);
        }
        for (path, usage) in tree
            .quotas
            .paths()
            .map(|path| (path.clone(), tree.usage(path.as_str())))
            .collect::<Vec<_>>()
        {
            tree.quotas.recount(&path, usage);
        }
        for node in tree.nodes.unordered() {
            tree.lifetimes.insert(node);
        }
        tree.applied = applied;
        tree.consistent_at = consistent_at;
        tree.time = time;
        tree.digest = Digest(tree.recomputed_digest());
        tree.node_bytes = tree.recomputed_node_bytes();
        if tree.is_consistent() {
            tree.history.push(applied, tree.digest.0);
        }
        tree
    }

    /// False if the parent is not there yet.
    fn add_node(&mut self, path: &ZnodePath, record: &NodeRecord) -> bool {
        let nodes = &mut self.tree.nodes;
        let id: NodeId = if let Some(id) = nodes.find(path.as_str()) {
            if let Some(node) = nodes.get(id) {
                self.tree.ephemerals.remove(node.owner(), path);
            }
            id
        } else {
            let Some(parent) = path.parent_str().and_then(|parent| nodes.find(parent)) else {
                return false;
            };
            nodes.insert(
                parent,
                Node::new(path.clone(), &Bytes::new(), record.czxid, record.ctime),
            )
        };
        if let Some(node) = nodes.get_mut(id) {
            record.fill(node);
        }
        self.tree
            .ephemerals
            .insert(record.lifetime.owner(), path.clone());
        true
    }
}

impl Ord for RecordKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // By parts, not by bytes, in which `/a-b` would come between `/a` and `/a/b`.
            (Self::Node(a), Self::Node(b)) => a.as_str().split('/').cmp(b.as_str().split('/')),
            (Self::Session(a), Self::Session(b)) => a.cmp(b),
            (Self::Parked(a), Self::Parked(b)) => a.cmp(b),
            (
                Self::Timer { mount, tag },
                Self::Timer {
                    mount: other_mount,
                    tag: other_tag,
                },
            ) => (mount, tag).cmp(&(other_mount, other_tag)),
            (Self::Plugin(a), Self::Plugin(b)) => a.cmp(b),
            (
                Self::ComponentChunk { sha256, offset },
                Self::ComponentChunk {
                    sha256: other_sha256,
                    offset: other_offset,
                },
            ) => (sha256, offset).cmp(&(other_sha256, other_offset)),
            (Self::Mount(a), Self::Mount(b)) => a.cmp(b),
            (Self::Token(a), Self::Token(b)) => a.cmp(b),
            (Self::Quota(a), Self::Quota(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for RecordKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The place of a key's kind among kinds.
fn rank(key: &RecordKey) -> u8 {
    match key {
        RecordKey::Node(_) => 0,
        RecordKey::Session(_) => 1,
        RecordKey::Parked(_) => 2,
        RecordKey::Timer { .. } => 3,
        RecordKey::Plugin(_) => 4,
        RecordKey::ComponentChunk { .. } => 5,
        RecordKey::Mount(_) => 6,
        RecordKey::Ensemble => 7,
        RecordKey::Token(_) => 8,
        RecordKey::Administrators => 9,
        RecordKey::Quota(_) => 10,
        RecordKey::Publishers => 11,
        RecordKey::Meta => 12,
    }
}

fn timer_key(timer: &Timer) -> RecordKey {
    let (mount, tag) = (timer.mount.clone(), timer.tag.clone());
    RecordKey::Timer { mount, tag }
}

fn chunk_key((sha256, offset): (Sha256, u64)) -> RecordKey {
    RecordKey::ComponentChunk { sha256, offset }
}

/// About how many bytes a record takes; exact only where it can be large.
fn size(key: &RecordKey, record: &Record) -> usize {
    let fixed = 128;
    fixed
        + match (key, record) {
            (RecordKey::Node(path), Record::Node(node)) => path.as_str().len() + node.data.len(),
            (_, Record::Session(session)) => session.results.values().map(answer_size).sum(),
            (_, Record::ComponentChunk { data, .. }) => data.len(),
            (_, Record::Plugin(plugin)) => plugin.revisions.len() * 1024,
            _ => 0,
        }
}

fn answer_size(answer: &zareba_model::Answer) -> usize {
    use zareba_model::Outcome;
    128 + match answer {
        Ok(Outcome::Called(bytes) | Outcome::Got { data: bytes, .. }) => bytes.len(),
        Ok(Outcome::Multi(outcomes)) => outcomes.len() * 128,
        _ => 0,
    }
}
