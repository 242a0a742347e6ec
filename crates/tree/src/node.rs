//! One znode in memory, and the view of it that readers get. Knows nothing of other nodes.
//!
//! A small znode's cost, on a 64-bit machine with glibc's allocator: 96 bytes here, 64 for its path
//! (shared with transactions, indexes and events), nothing for data of at most 22 bytes, 8 to 16
//! in the path index and 4 to 8 in its parent's list of children. What few nodes have (children,
//! another lifetime than most, an ACL) is boxed.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;
use zareba_model::{Acl, Lifetime, SessionId, Stat, Usage, ZnodePath, Zxid};

use crate::children::Children;
use crate::digest::{self, Tag};

/// A znode as the tree keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) path: ZnodePath,
    pub(crate) data: Data,
    pub(crate) czxid: Zxid,
    pub(crate) mzxid: Zxid,
    pub(crate) ctime: u64,
    pub(crate) mtime: u64,
    pub(crate) version: u64,
    /// There from the first child on, and kept when the last one goes.
    pub(crate) folder: Option<Box<Folder>>,
    /// There if the node has another lifetime than most, or ever had an ACL that is not open.
    guard: Option<Box<Guard>>,
}

const _: () = assert!(size_of::<Option<Node>>() <= 96);

/// What a node with children has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) children: Children,
    /// How many children were ever created.
    pub(crate) created: u64,
    pub(crate) pzxid: Zxid,
}

#[derive(Clone, Debug)]
struct Guard {
    lifetime: Lifetime,
    acl: Acl,
    acl_hash: u64,
    aversion: u64,
}

/// A node's data: short data inside the node, longer data shared, with its hash kept so that a
/// change of the node's other fields need not read it.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Short { length: u8, bytes: [u8; SHORT_MAX] },
    Long(Box<Long>),
}

#[derive(Clone, Debug)]
pub(crate) struct Long {
    bytes: Bytes,
    hash: u64,
}

/// Longest data kept inside the node: what makes [`Data`] 24 bytes.
const SHORT_MAX: usize = 22;

/// Data up to this length is copied instead of shared, so that it neither pins the buffer it came
/// in nor pays for a reference count.
const COPIED_MAX: usize = 256;

static OPEN: Acl = Acl::open();

impl Data {
    pub(crate) fn new(data: &Bytes) -> Self {
        if data.len() <= SHORT_MAX {
            let mut bytes = [0; SHORT_MAX];
            for (to, from) in bytes.iter_mut().zip(data) {
                *to = *from;
            }
            return Self::Short {
                length: u8::try_from(data.len()).unwrap_or(0),
                bytes,
            };
        }
        let bytes = if data.len() <= COPIED_MAX {
            Bytes::copy_from_slice(data)
        } else {
            data.clone()
        };
        let hash = xxh3_64(&bytes);
        Self::Long(Box::new(Long { bytes, hash }))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Long(long) => &long.bytes,
        }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Short { .. } => Bytes::copy_from_slice(self.as_slice()),
            Self::Long(long) => long.bytes.clone(),
        }
    }

    fn hash(&self) -> u64 {
        match self {
            Self::Short { .. } => xxh3_64(self.as_slice()),
            Self::Long(long) => long.hash,
        }
    }
}

impl Node {
    pub(crate) fn new(path: ZnodePath, data: &Bytes, zxid: Zxid, time: u64) -> Self {
        Self {
            path,
            data: Data::new(data),
            czxid: zxid,
            mzxid: zxid,
            ctime: time,
            mtime: time,
            version: 0,
            folder: None,
            guard: None,
        }
    }

    pub(crate) fn root() -> Self {
        Self::new(ZnodePath::root(), &Bytes::new(), Zxid::ZERO, 0)
    }

    /// Sets how long the node lives and who may use it.
    pub(crate) fn set_guard(&mut self, lifetime: Lifetime, acl: &Acl, aversion: u64) {
        let is_needed = lifetime != Lifetime::Persistent || !acl.is_open() || aversion > 0;
        self.guard = is_needed.then(|| {
            let acl_hash = if acl.is_open() {
                0
            } else {
                digest::hash_of(Tag::Acl, acl)
            };
            Box::new(Guard {
                lifetime,
                acl: acl.clone(),
                acl_hash,
                aversion,
            })
        });
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        self.guard
            .as_ref()
            .map_or(Lifetime::Persistent, |g| g.lifetime)
    }

    pub(crate) fn owner(&self) -> SessionId {
        self.lifetime().owner()
    }

    pub(crate) fn aversion(&self) -> u64 {
        self.guard.as_ref().map_or(0, |g| g.aversion)
    }

    /// What it counts for in a quota.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            nodes: 1,
            bytes: self.data.as_slice().len() as u64,
        }
    }

    pub(crate) fn acl(&self) -> &Acl {
        self.guard.as_ref().map_or(&OPEN, |g| &g.acl)
    }

    pub(crate) fn created(&self) -> u64 {
        self.folder.as_ref().map_or(0, |f| f.created)
    }

    pub(crate) fn pzxid(&self) -> Zxid {
        self.folder.as_ref().map_or(self.czxid, |f| f.pzxid)
    }

    pub(crate) fn child_count(&self) -> u64 {
        self.folder.as_ref().map_or(0, |f| f.children.len() as u64)
    }

    pub(crate) fn stat(&self) -> Stat {
        let num_children = self.child_count();
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            pzxid: self.pzxid(),
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            // Every child ever created changed the list once, every one gone since twice.
            cversion: self
                .created()
                .saturating_mul(2)
                .saturating_sub(num_children),
            aversion: self.aversion(),
            lifetime: self.lifetime(),
            data_length: u32::try_from(self.data.as_slice().len()).unwrap_or(u32::MAX),
            num_children,
        }
    }

    /// About how many bytes the node takes in a snapshot.
    pub(crate) fn snapshot_bytes(&self) -> u64 {
        const FIXED: usize = 50;
        (FIXED + self.path.as_str().len() + self.data.as_slice().len()) as u64
    }

    /// The node's share of the digest.
    pub(crate) fn hash(&self) -> u64 {
        let (kind, value) = match self.lifetime() {
            Lifetime::Persistent => (0, 0),
            Lifetime::Ephemeral(owner) => (1, owner.0),
            Lifetime::Container => (2, 0),
            Lifetime::Ttl(ms) => (3, ms),
        };
        let words = [
            Tag::Node as u64,
            xxh3_64(self.path.as_str().as_bytes()),
            self.data.hash(),
            self.czxid.to_u64(),
            self.mzxid.to_u64(),
            self.pzxid().to_u64(),
            self.ctime,
            self.mtime,
            self.version,
            self.created(),
            self.child_count(),
            kind,
            value,
            self.guard.as_ref().map_or(0, |g| g.acl_hash),
            self.aversion(),
        ];
        digest::hash_words(&words)
    }
}

/// A znode as readers see it.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'a>(pub(crate) &'a Node);

impl<'a> NodeRef<'a> {
    /// Its path.
    pub fn path(self) -> &'a ZnodePath {
        &self.0.path
    }

    /// Its data: short data is copied, longer data shared.
    pub fn data(self) -> Bytes {
        self.0.data.to_bytes()
    }

    /// Its data, borrowed.
    pub fn data_slice(self) -> &'a [u8] {
        self.0.data.as_slice()
    }

    /// Its metadata.
    pub fn stat(self) -> Stat {
        self.0.stat()
    }

    /// Its access control list.
    pub fn acl(self) -> &'a Acl {
        self.0.acl()
    }

    /// How long it lives.
    pub fn lifetime(self) -> Lifetime {
        self.0.lifetime()
    }

    /// The session that owns it, or [`SessionId::NONE`].
    pub fn owner(self) -> SessionId {
        self.0.owner()
    }

    /// How many children it ever had: the next sequence number.
    pub fn created(self) -> u64 {
        self.0.created()
    }

    /// How many children it has.
    pub fn child_count(self) -> u64 {
        self.0.child_count()
    }

    /// How often its data was set.
    pub fn version(self) -> u64 {
        self.0.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_every_length_comes_back() {
        for length in [0, 1, 21, 22, 23, 255, 256, 257, 5000] {
            let bytes = Bytes::from(vec![7; length]);
            let data = Data::new(&bytes);
            assert_eq!(data.to_bytes(), bytes);
            assert_eq!(data.as_slice(), &bytes[..]);
            assert_eq!(data.hash(), xxh3_64(&bytes));
        }
    }

    #[test]
    fn each_field_of_a_node_changes_its_hash() {
        let path = ZnodePath::parse("/a").unwrap();
        let node = Node::new(path, &Bytes::from_static(b"x"), Zxid::new(1, 1), 5);
        let mut seen = vec![node.hash()];
        let variants: [fn(&mut Node); 12] = [
            |n| n.path = ZnodePath::parse("/b").unwrap(),
            |n| n.data = Data::new(&Bytes::from_static(b"y")),
            |n| n.czxid = Zxid::new(1, 2),
            |n| n.mzxid = Zxid::new(1, 2),
            |n| n.ctime = 6,
            |n| n.mtime = 6,
            |n| n.version = 1,
            |n| n.set_guard(Lifetime::Ephemeral(SessionId(3)), &Acl::open(), 0),
            |n| n.set_guard(Lifetime::Container, &Acl::open(), 0),
            |n| n.set_guard(Lifetime::Ttl(3), &Acl::open(), 0),
            |n| n.set_guard(Lifetime::Persistent, &Acl::open(), 1),
            |n| {
                n.folder = Some(Box::new(Folder {
                    created: 1,
                    ..Folder::default()
                }));
            },
        ];
        for change in variants {
            let mut other = node.clone();
            change(&mut other);
            seen.push(other.hash());
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 13);
    }
}
