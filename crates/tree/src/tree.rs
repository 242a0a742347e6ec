//! The tree: the tables of replicated state side by side, and what they are asked. Knows who may
//! change them (apply and restore) but not how.

use std::ops::Bound;

use zareba_model::{
    Acl, Answer, CallId, Ensemble, JoinToken, Mount, ParkedCall, Publishers, Quota, ServerId,
    SessionId, Sha256, Timer, Usage, Xid, ZnodePath, Zxid,
};

use crate::calls::Calls;
use crate::digest::{Digest, History};
use crate::dirty::Dirty;
use crate::ephemerals::Ephemerals;
use crate::lifetimes::Lifetimes;
use crate::membership::Membership;
use crate::node::{Node, NodeRef};
use crate::nodes::Nodes;
use crate::plugins::{Component, PluginRecord, Plugins};
use crate::quotas::Quotas;
use crate::sessions::{Session, Sessions};
use crate::snapshot::RecordKey;
use crate::timers::Timers;

/// All replicated state after some transaction.
///
/// Invariant: `digest` is the sum of the hashes of all items, whatever way led here.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(crate) nodes: Nodes,
    pub(crate) ephemerals: Ephemerals,
    pub(crate) sessions: Sessions,
    pub(crate) calls: Calls,
    pub(crate) timers: Timers,
    pub(crate) plugins: Plugins,
    pub(crate) membership: Membership,
    pub(crate) quotas: Quotas,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) applied: Zxid,
    pub(crate) time: u64,
    /// Before this transaction the state may be a fuzzy image's, and its digest means nothing.
    pub(crate) consistent_at: Zxid,
    pub(crate) digest: Digest,
    pub(crate) history: History,
    pub(crate) dirty: Dirty,
    /// About how many bytes all nodes take in a snapshot.
    pub(crate) node_bytes: u64,
}

impl Default for Tree {
    fn default() -> Self {
        let mut tree = Self::bare();
        tree.digest = Digest(tree.recomputed_digest());
        tree.node_bytes = tree.recomputed_node_bytes();
        tree.history.push(Zxid::ZERO, tree.digest.0);
        tree
    }
}

/// What a small record takes in a snapshot, about.
const RECORD_BYTES: u64 = 100;

impl Tree {
    /// The root alone, with no digest yet.
    pub(crate) fn bare() -> Self {
        Self {
            nodes: Nodes::new(),
            ephemerals: Ephemerals::default(),
            sessions: Sessions::default(),
            calls: Calls::default(),
            timers: Timers::default(),
            plugins: Plugins::default(),
            membership: Membership::default(),
            quotas: Quotas::default(),
            lifetimes: Lifetimes::default(),
            applied: Zxid::ZERO,
            time: 0,
            consistent_at: Zxid::ZERO,
            digest: Digest::default(),
            history: History::default(),
            dirty: Dirty::default(),
            node_bytes: 0,
        }
    }

    /// At most `max` keys of what has changed since they were last taken, oldest change first. A
    /// key that changes again after it was taken comes again.
    ///
    /// For an incremental checkpoint: note [`Tree::applied`] and [`Tree::dirty_len`], then take at
    /// least that many keys and write their records while transactions go on. The image then holds
    /// every change up to the transaction noted, and replay from there completes it.
    pub fn take_dirty(&mut self, max: usize) -> Vec<RecordKey> {
        self.dirty.take(max)
    }

    /// How many keys [`Tree::take_dirty`] would give now.
    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }

    /// The last transaction applied.
    pub fn applied(&self) -> Zxid {
        self.applied
    }

    /// The time of the last transaction, milliseconds since the Unix epoch.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// False while the log is replayed over a fuzzy image and has not reached its end.
    pub fn is_consistent(&self) -> bool {
        self.applied >= self.consistent_at
    }

    /// Where that end is.
    pub fn consistent_at(&self) -> Zxid {
        self.consistent_at
    }

    /// The hash of all replicated state.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }

    /// The digest after one of the last few thousand transactions.
    pub fn digest_at(&self, zxid: Zxid) -> Option<u64> {
        self.history.at(zxid)
    }

    pub(crate) fn recomputed_node_bytes(&self) -> u64 {
        self.nodes.unordered().map(Node::snapshot_bytes).sum()
    }

    /// The digest computed from all items anew; always equal to [`Tree::digest`].
    pub fn recomputed_digest(&self) -> u64 {
        let nodes = self
            .nodes
            .unordered()
            .map(Node::hash)
            .fold(0, u64::wrapping_add);
        nodes
            .wrapping_add(self.sessions.hash())
            .wrapping_add(self.calls.hash())
            .wrapping_add(self.timers.hash())
            .wrapping_add(self.plugins.hash())
            .wrapping_add(self.membership.hash())
            .wrapping_add(self.quotas.hash())
    }

    /// The node at a path; the reserved subtree has none.
    pub fn node(&self, path: &str) -> Option<NodeRef<'_>> {
        let id = self.nodes.find(path)?;
        self.nodes.get(id).map(NodeRef)
    }

    /// How many nodes there are, the root included.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// About how many bytes a snapshot of all this takes: for choosing what is cheaper to send.
    pub fn snapshot_bytes(&self) -> u64 {
        let components = self.components().map(|(_, component)| component.received());
        let records = self.session_count() + self.parked_count() + self.timer_count();
        self.node_bytes + components.sum::<u64>() + RECORD_BYTES * records as u64
    }

    /// Names of a node's children behind `after` that start with `prefix`, in order. The reserved
    /// subtree is not among them. Starting costs a binary search.
    pub fn child_names<'a>(
        &'a self,
        path: &str,
        after: Option<&str>,
        prefix: &str,
    ) -> impl Iterator<Item = &'a str> + use<'a> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let prefix = prefix.to_owned();
        let children = self
            .nodes
            .find(path)
            .map(|id| self.nodes.children(id, start));
        children
            .into_iter()
            .flatten()
            .filter_map(|id| self.nodes.get(id))
            .map(|node| node.path.name())
            .take_while(move |name| name.starts_with(prefix.as_str()))
    }

    /// Paths of the nodes a session owns, in order.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &ZnodePath> {
        self.ephemerals.of(session)
    }

    /// The session of that id.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id)
    }

    /// All sessions, by id.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// The answer to a session's request, if it is kept.
    pub fn result(&self, session: SessionId, xid: Xid) -> Option<&Answer> {
        self.session(session)?.results.get(&xid)
    }

    /// Up to which request a session's client has seen all answers; 0 for an unknown session.
    pub fn acked(&self, session: SessionId) -> Xid {
        self.session(session)
            .map_or(Xid(0), |session| session.acked)
    }

    /// The mount at exactly this path.
    pub fn mount(&self, path: &str) -> Option<&Mount> {
        self.plugins.mount(path)
    }

    /// All mounts, by path.
    pub fn mounts(&self) -> impl Iterator<Item = &Mount> {
        self.plugins.mounts()
    }

    /// The mount at a path or nearest above it.
    pub fn mount_of(&self, path: &ZnodePath) -> Option<&Mount> {
        self.plugins.mount_of(path.as_str())
    }

    /// Who may publish components.
    pub fn publishers(&self) -> &Publishers {
        self.plugins.publishers()
    }

    /// The plugin of that name.
    pub fn plugin(&self, name: &str) -> Option<&PluginRecord> {
        self.plugins.plugin(name)
    }

    /// All plugins, by name.
    pub fn plugins(&self) -> impl Iterator<Item = (&str, &PluginRecord)> {
        self.plugins.plugins()
    }

    /// The component of that content address, complete or not.
    pub fn component(&self, sha256: &Sha256) -> Option<&Component> {
        self.plugins.component(sha256)
    }

    /// All components, by content address.
    pub fn components(&self) -> impl Iterator<Item = (&Sha256, &Component)> {
        self.plugins.components()
    }

    /// The ensemble, once a leader has written it down.
    pub fn ensemble(&self) -> Option<&Ensemble> {
        self.membership.record().map(|record| &record.ensemble)
    }

    /// The highest number that any member ever had.
    pub fn highest_server(&self) -> ServerId {
        let record = self.membership.record();
        record.map_or(ServerId(0), |record| record.highest)
    }

    /// The token with that hash, expired or not.
    pub fn join_token(&self, hash: &Sha256) -> Option<&JoinToken> {
        self.membership.token(hash)
    }

    /// All tokens, by hash.
    pub fn join_tokens(&self) -> impl Iterator<Item = &JoinToken> {
        self.membership.tokens()
    }

    /// Who may administer the ensemble, and how often that was set.
    pub fn administrators(&self) -> (&Acl, u64) {
        self.membership.administrators()
    }

    /// The quota of exactly this path, and how much of it is used.
    pub fn quota(&self, path: &str) -> Option<(Quota, Usage)> {
        self.quotas.get(path)
    }

    /// All quotas with what is used of them, by path.
    pub fn quotas(&self) -> impl Iterator<Item = (&ZnodePath, Quota, Usage)> {
        self.quotas.iter()
    }

    /// True if there is any quota.
    pub fn has_quotas(&self) -> bool {
        !self.quotas.is_empty()
    }

    /// How much a node and everything below it hold; nothing if it is not there. Looks at each of
    /// them.
    pub fn usage(&self, path: &str) -> Usage {
        let Some(id) = self.nodes.find(path) else {
            return Usage::default();
        };
        self.nodes.usage(id)
    }

    /// Nodes with a TTL and without children, the one whose time is over first ahead, with when that is.
    pub fn nodes_to_expire(&self) -> impl Iterator<Item = (u64, &ZnodePath)> {
        self.lifetimes.due()
    }

    /// Containers that have had children and have none.
    pub fn empty_containers(&self) -> impl Iterator<Item = &ZnodePath> {
        self.lifetimes.empty_containers()
    }

    /// The parked call of that id.
    pub fn parked(&self, id: CallId) -> Option<&ParkedCall> {
        self.calls.get(id)
    }

    /// All parked calls, in the order they were parked.
    pub fn parked_calls(&self) -> impl Iterator<Item = &ParkedCall> {
        self.calls.iter()
    }

    /// How many calls are parked.
    pub fn parked_count(&self) -> usize {
        self.calls.len()
    }

    /// Calls that wait for a tag at a mount and were parked after `after`, in that order.
    pub fn parked_with_tag<'a>(
        &'a self,
        mount: &ZnodePath,
        tag: &str,
        after: CallId,
    ) -> impl Iterator<Item = &'a ParkedCall> + use<'a> {
        self.calls.with_tag(mount, tag, after)
    }

    /// Parked calls of a session, by request.
    pub fn parked_of(&self, session: SessionId) -> impl Iterator<Item = &ParkedCall> {
        let calls = self
            .session(session)
            .into_iter()
            .flat_map(|session| session.parked.values());
        calls.filter_map(|id| self.calls.get(*id))
    }

    /// The parked call that is a session's request.
    pub fn parked_of_request(&self, session: SessionId, xid: Xid) -> Option<CallId> {
        self.session(session)?.parked.get(&xid).copied()
    }

    /// How many calls are parked at a mount.
    pub fn parked_at(&self, mount: &ZnodePath) -> usize {
        self.calls.count_at(mount)
    }

    /// Calls that are parked at a mount, by tag.
    pub fn parked_calls_at<'a>(
        &'a self,
        mount: &ZnodePath,
    ) -> impl Iterator<Item = &'a ParkedCall> + use<'a> {
        self.calls.at(mount)
    }

    /// When parked calls fail by themselves, soonest first.
    pub fn deadlines(&self) -> impl Iterator<Item = (u64, CallId)> {
        self.calls.deadlines()
    }

    /// All timers, soonest first.
    pub fn timers(&self) -> impl Iterator<Item = &Timer> {
        self.timers.iter()
    }

    /// How many timers there are.
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// The timer a mount's plugin gave that tag.
    pub fn timer(&self, mount: &ZnodePath, tag: &str) -> Option<&Timer> {
        self.timers.get(mount, tag)
    }

    /// Timers of a mount, by tag.
    pub fn timers_at<'a>(&'a self, mount: &ZnodePath) -> impl Iterator<Item = &'a Timer> + use<'a> {
        self.timers.at(mount)
    }
}
