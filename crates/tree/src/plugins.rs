//! The replicated plugin registry: components in pieces, plugins with their revisions, mounts, publishers.
//! Knows nothing of what a component does.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zareba_model::{Acl, Mount, Publishers, Revision, Sha256, ZnodePath};

use crate::digest::{self, Digest, Tag};

/// A plugin: its revisions in the order they were registered, and the one in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// The revision in use.
    pub active: Option<Sha256>,
    /// The one that was in use before it.
    pub previous: Option<Sha256>,
    /// All revisions that are kept, oldest first.
    pub revisions: Vec<Revision>,
    /// Who may push (CREATE), activate (WRITE) and do all else with it (ADMIN), beside the administrators.
    pub acl: Acl,
    /// How often that was set.
    pub aversion: u64,
}

impl PluginRecord {
    /// The revision with that content address.
    pub fn revision(&self, sha256: &Sha256) -> Option<&Revision> {
        self.revisions
            .iter()
            .find(|revision| revision.sha256 == *sha256)
    }
}

/// A component, or as much of it as has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    total: u64,
    received: u64,
    chunks: BTreeMap<u64, Bytes>,
}

impl Component {
    /// Its size when it is complete.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many of its bytes have arrived.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// True if nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.received >= self.total
    }

    /// Its pieces, by offset.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        self.chunks.iter().map(|(offset, data)| (*offset, data))
    }

    /// The piece at an offset.
    pub fn chunk(&self, offset: u64) -> Option<&Bytes> {
        self.chunks.get(&offset)
    }

    /// All pieces in one.
    pub fn to_vec(&self) -> Vec<u8> {
        self.chunks.values().flatten().copied().collect()
    }
}

/// Components, plugins and mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plugins {
    components: BTreeMap<Sha256, Component>,
    plugins: BTreeMap<String, PluginRecord>,
    mounts: BTreeMap<ZnodePath, Mount>,
    publishers: Publishers,
}

impl Plugins {
    /// True if this piece made the component complete.
    pub(crate) fn store_chunk(
        &mut self,
        sha256: Sha256,
        total: u64,
        offset: u64,
        data: &Bytes,
        digest: &mut Digest,
    ) -> bool {
        let component = self.components.entry(sha256).or_default();
        let was_complete = component.total > 0 && component.is_complete();
        // The content address fixes the size; the first word on it is kept, whoever says otherwise.
        if component.chunks.is_empty() {
            component.total = total;
        }
        let total = component.total;
        digest.add(chunk_hash(&sha256, total, offset, data));
        component.received += data.len() as u64;
        if let Some(old) = component.chunks.insert(offset, data.clone()) {
            component.received -= old.len() as u64;
            digest.subtract(chunk_hash(&sha256, total, offset, &old));
        }
        component.is_complete() && !was_complete
    }

    pub(crate) fn register(&mut self, name: &str, revision: &Revision, digest: &mut Digest) {
        let plugin = self.plugins.entry(name.to_owned()).or_default();
        digest.add(revision_hash(name, revision));
        let known = plugin
            .revisions
            .iter_mut()
            .find(|r| r.sha256 == revision.sha256);
        if let Some(known) = known {
            digest.subtract(revision_hash(name, known));
            *known = revision.clone();
        } else {
            plugin.revisions.push(revision.clone());
        }
    }

    /// True if the plugin is there.
    pub(crate) fn activate(
        &mut self,
        name: &str,
        (sha256, previous): (Sha256, Option<Sha256>),
        digest: &mut Digest,
    ) -> bool {
        self.change_head(name, digest, |plugin| {
            plugin.active = Some(sha256);
            plugin.previous = previous;
        })
    }

    /// True if the plugin is there.
    pub(crate) fn guard(
        &mut self,
        name: &str,
        (acl, aversion): (&Acl, u64),
        digest: &mut Digest,
    ) -> bool {
        self.change_head(name, digest, |plugin| {
            plugin.acl = acl.clone();
            plugin.aversion = aversion;
        })
    }

    fn change_head(
        &mut self,
        name: &str,
        digest: &mut Digest,
        change: impl FnOnce(&mut PluginRecord),
    ) -> bool {
        let Some(plugin) = self.plugins.get_mut(name) else {
            return false;
        };
        digest.subtract(head_hash(name, plugin));
        change(plugin);
        digest.add(head_hash(name, plugin));
        true
    }

    pub(crate) fn remove_revision(&mut self, name: &str, sha256: &Sha256, digest: &mut Digest) {
        let Some(plugin) = self.plugins.get_mut(name) else {
            return;
        };
        let is_it = |revision: &mut Revision| revision.sha256 == *sha256;
        for gone in plugin.revisions.extract_if(.., is_it) {
            digest.subtract(revision_hash(name, &gone));
        }
    }

    pub(crate) fn remove_plugin(&mut self, name: &str, digest: &mut Digest) {
        if let Some(old) = self.plugins.remove(name) {
            digest.subtract(plugin_hash(name, &old));
        }
    }

    /// Where its pieces began, if there were any.
    pub(crate) fn remove_component(&mut self, sha256: &Sha256, digest: &mut Digest) -> Vec<u64> {
        let Some(old) = self.components.remove(sha256) else {
            return Vec::new();
        };
        for (offset, data) in &old.chunks {
            digest.subtract(chunk_hash(sha256, old.total, *offset, data));
        }
        old.chunks.into_keys().collect()
    }

    pub(crate) fn set_publishers(&mut self, publishers: Publishers, digest: &mut Digest) {
        digest.subtract(publishers_hash(&self.publishers));
        digest.add(publishers_hash(&publishers));
        self.publishers = publishers;
    }

    pub(crate) fn publishers(&self) -> &Publishers {
        &self.publishers
    }

    pub(crate) fn put_plugin(&mut self, name: &str, plugin: PluginRecord, digest: &mut Digest) {
        digest.add(plugin_hash(name, &plugin));
        if let Some(old) = self.plugins.insert(name.to_owned(), plugin) {
            digest.subtract(plugin_hash(name, &old));
        }
    }

    pub(crate) fn put_mount(&mut self, mount: Mount, digest: &mut Digest) {
        digest.add(mount_hash(&mount));
        if let Some(old) = self.mounts.insert(mount.path.clone(), mount) {
            digest.subtract(mount_hash(&old));
        }
    }

    pub(crate) fn remove_mount(&mut self, path: &ZnodePath, digest: &mut Digest) {
        if let Some(old) = self.mounts.remove(path) {
            digest.subtract(mount_hash(&old));
        }
    }

    pub(crate) fn mount(&self, path: &str) -> Option<&Mount> {
        self.mounts.get(path)
    }

    pub(crate) fn mounts(&self) -> impl Iterator<Item = &Mount> {
        self.mounts.values()
    }

    /// The mount at a path or nearest above it.
    pub(crate) fn mount_of(&self, path: &str) -> Option<&Mount> {
        if self.mounts.is_empty() {
            return None;
        }
        let mut rest = path;
        loop {
            if let Some(mount) = self.mounts.get(rest) {
                return Some(mount);
            }
            if rest.len() <= 1 {
                return None;
            }
            rest = match rest.rsplit_once('/')?.0 {
                "" => "/",
                above => above,
            };
        }
    }

    pub(crate) fn plugin(&self, name: &str) -> Option<&PluginRecord> {
        self.plugins.get(name)
    }

    pub(crate) fn plugins(&self) -> impl Iterator<Item = (&str, &PluginRecord)> {
        self.plugins
            .iter()
            .map(|(name, plugin)| (name.as_str(), plugin))
    }

    pub(crate) fn component(&self, sha256: &Sha256) -> Option<&Component> {
        self.components.get(sha256)
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = (&Sha256, &Component)> {
        self.components.iter()
    }

    /// The first plugin behind a name.
    pub(crate) fn plugin_after(&self, name: Option<&str>) -> Option<&str> {
        let start = name.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.plugins.range::<str, _>((start, Bound::Unbounded));
        behind.next().map(|(name, _)| name.as_str())
    }

    /// The first mount behind a path.
    pub(crate) fn mount_after(&self, path: Option<&ZnodePath>) -> Option<&Mount> {
        let start = path.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.mounts.range::<ZnodePath, _>((start, Bound::Unbounded));
        behind.next().map(|(_, mount)| mount)
    }

    /// The first piece of a component behind another.
    pub(crate) fn chunk_after(&self, at: Option<(Sha256, u64)>) -> Option<(Sha256, u64)> {
        let start = at.map_or(Bound::Unbounded, |at| Bound::Included(at.0));
        let behind = self.components.range((start, Bound::Unbounded));
        behind
            .flat_map(|(sha256, component)| {
                component.chunks.keys().map(|offset| (*sha256, *offset))
            })
            .find(|key| at.is_none_or(|at| *key > at))
    }

    pub(crate) fn hash(&self) -> u64 {
        let chunks = self.components.iter().flat_map(|(sha256, component)| {
            let chunks = component.chunks.iter();
            chunks.map(|(offset, data)| chunk_hash(sha256, component.total, *offset, data))
        });
        let plugins = self
            .plugins
            .iter()
            .map(|(name, plugin)| plugin_hash(name, plugin));
        let mounts = self.mounts.values().map(mount_hash);
        chunks
            .chain(plugins)
            .chain(mounts)
            .fold(publishers_hash(&self.publishers), u64::wrapping_add)
    }
}

fn chunk_hash(sha256: &Sha256, total: u64, offset: u64, data: &Bytes) -> u64 {
    digest::hash_of(Tag::Chunk, &(sha256, total, offset, data))
}

fn revision_hash(name: &str, revision: &Revision) -> u64 {
    digest::hash_of(Tag::Revision, &(name, revision))
}

/// All of a plugin but its revisions.
fn head_hash(name: &str, plugin: &PluginRecord) -> u64 {
    let head = (plugin.active, plugin.previous, &plugin.acl, plugin.aversion);
    if head == (None, None, &Acl::default(), 0) {
        return 0;
    }
    digest::hash_of(Tag::PluginHead, &(name, head))
}

fn plugin_hash(name: &str, plugin: &PluginRecord) -> u64 {
    let revisions = plugin
        .revisions
        .iter()
        .map(|revision| revision_hash(name, revision));
    revisions.fold(head_hash(name, plugin), u64::wrapping_add)
}

fn publishers_hash(publishers: &Publishers) -> u64 {
    if *publishers == Publishers::default() {
        return 0;
    }
    digest::hash_of(Tag::Publishers, publishers)
}

fn mount_hash(mount: &Mount) -> u64 {
    digest::hash_of(Tag::Mount, mount)
}
