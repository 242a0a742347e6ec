//! What the leader sees while it prepares: the tree, with the transactions in flight and the one
//! being staged laid over it.
//!
//! This file must never refuse anything: it tells what is there and stages what it is told.
//! On a follower nothing is ever in flight, and the world is the tree.

mod quota;
mod staging;

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use zareba_model::{
    Acl, Attachment, CallId, Effect, Ensemble, JoinToken, Mount, ParkedCall, Password, Publishers,
    Quota, Revision, SessionId, Sha256, Stat, Usage, Xid, ZnodePath, Zxid,
};
use zareba_tree::{PluginRecord, Tree};

use crate::bug::Bug;
use crate::layer::Layer;

/// A znode as the next transaction will find it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) data: Bytes,
    pub(crate) acl: Acl,
    /// Children ever created.
    pub(crate) created: u64,
    pub(crate) stat: Stat,
}

impl Node {
    /// What it counts for in a quota.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            nodes: 1,
            bytes: self.data.len() as u64,
        }
    }
}

/// A session as the next transaction will find it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveSession {
    pub(crate) attachment: Attachment,
    /// What its client shows to come back: it may be back before its opening is applied here.
    pub(crate) password: Password,
}

/// The tree and all that is in flight over it.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) tree: Tree,
    nodes: Layer<ZnodePath, Node>,
    children: Layer<(ZnodePath, String), ()>,
    ephemerals: Layer<(SessionId, ZnodePath), ()>,
    sessions: Layer<SessionId, LiveSession>,
    requests: Layer<(SessionId, Xid), ()>,
    calls: Layer<CallId, ParkedCall>,
    tags: Layer<(ZnodePath, String, CallId), ()>,
    timers: Layer<(ZnodePath, String), u64>,
    mounts: Layer<ZnodePath, Mount>,
    plugins: Layer<String, PluginRecord>,
    components: Layer<Sha256, u64>,
    ensembles: Layer<(), Ensemble>,
    tokens: Layer<Sha256, JoinToken>,
    quotas: Layer<ZnodePath, Quota>,
    usages: Layer<ZnodePath, Usage>,
    administrators: Layer<(), (Acl, u64)>,
    publishers: Layer<(), Publishers>,
    effects: Vec<Effect>,
    /// The zxid of the transaction being staged.
    pub(crate) zxid: Zxid,
    /// Its time.
    pub(crate) time: u64,
    /// A bug planted on purpose; none in a build without the feature.
    pub(crate) planted: Option<Bug>,
}

/// A point of the staging to which it can be taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Savepoint {
    marks: [usize; 17],
    effects: usize,
}

macro_rules! each_layer {
    ($world:expr, $layer:ident => $action:expr) => {{
        {
            let $layer = &mut $world.nodes;
            $action
        }
        {
            let $layer = &mut $world.children;
            $action
        }
        {
            let $layer = &mut $world.ephemerals;
            $action
        }
        {
            let $layer = &mut $world.sessions;
            $action
        }
        {
            let $layer = &mut $world.requests;
            $action
        }
        {
            let $layer = &mut $world.calls;
            $action
        }
        {
            let $layer = &mut $world.tags;
            $action
        }
        {
            let $layer = &mut $world.timers;
            $action
        }
        {
            let $layer = &mut $world.mounts;
            $action
        }
        {
            let $layer = &mut $world.plugins;
            $action
        }
        {
            let $layer = &mut $world.components;
            $action
        }
        {
            let $layer = &mut $world.ensembles;
            $action
        }
        {
            let $layer = &mut $world.tokens;
            $action
        }
        {
            let $layer = &mut $world.quotas;
            $action
        }
        {
            let $layer = &mut $world.usages;
            $action
        }
        {
            let $layer = &mut $world.administrators;
            $action
        }
        {
            let $layer = &mut $world.publishers;
            $action
        }
    }};
}

impl World {
    /// True if that bug was planted; never in a build without the feature.
    #[cfg(feature = "bugs")]
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.planted == Some(bug)
    }

    /// True if that bug was planted; never in a build without the feature.
    #[cfg(not(feature = "bugs"))]
    pub(crate) const fn has_bug(&self, _: Bug) -> bool {
        false
    }

    /// Starts to stage the transaction `zxid` at `time`.
    pub(crate) fn begin(&mut self, zxid: Zxid, time: u64) {
        assert!(
            self.effects.is_empty(),
            "a transaction is begun while another is being staged"
        );
        self.zxid = zxid;
        self.time = time.max(self.time).max(self.tree.time());
    }

    /// Names this point.
    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint {
            marks: [
                self.nodes.mark(),
                self.children.mark(),
                self.ephemerals.mark(),
                self.sessions.mark(),
                self.requests.mark(),
                self.calls.mark(),
                self.tags.mark(),
                self.timers.mark(),
                self.mounts.mark(),
                self.plugins.mark(),
                self.components.mark(),
                self.ensembles.mark(),
                self.tokens.mark(),
                self.quotas.mark(),
                self.usages.mark(),
                self.administrators.mark(),
                self.publishers.mark(),
            ],
            effects: self.effects.len(),
        }
    }

    /// Takes back what was staged since that point.
    pub(crate) fn rollback(&mut self, to: Savepoint) {
        let mut marks = to.marks.into_iter();
        each_layer!(self, layer => layer.rollback(marks.next().unwrap_or(0)));
        self.effects.truncate(to.effects);
    }

    /// Takes back the whole transaction.
    pub(crate) fn abort(&mut self) {
        each_layer!(self, layer => layer.rollback(0));
        self.effects.clear();
    }

    /// True if the transaction being staged does anything.
    pub(crate) fn has_staged(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Hands the staged effects over.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The staged transaction is proposed.
    pub(crate) fn commit(&mut self) {
        let zxid = self.zxid;
        each_layer!(self, layer => layer.commit(zxid));
    }

    /// Transactions up to `applied` are in the tree now.
    pub(crate) fn prune(&mut self, applied: Zxid) {
        each_layer!(self, layer => layer.prune(applied));
    }

    /// This server leads no more: nothing is in flight here.
    pub(crate) fn clear(&mut self) {
        each_layer!(self, layer => layer.clear());
        self.effects.clear();
    }

    /// Shows committed state only, or all again.
    pub(crate) fn show_committed_only(&mut self, committed_only: bool) {
        each_layer!(self, layer => layer.hide(committed_only));
    }

    pub(crate) fn node(&self, path: &str) -> Option<Node> {
        if let Some(pending) = self.nodes.get(path) {
            return pending.cloned();
        }
        self.tree.node(path).map(|node| Node {
            data: node.data().clone(),
            acl: node.acl().clone(),
            created: node.created(),
            stat: node.stat(),
        })
    }

    pub(crate) fn has_node(&self, path: &str) -> bool {
        match self.nodes.get(path) {
            Some(pending) => pending.is_some(),
            None => self.tree.node(path).is_some(),
        }
    }

    /// Names of children in order, behind `after`, with the prefix, at most `limit`.
    pub(crate) fn child_names(
        &self,
        parent: &ZnodePath,
        after: Option<&str>,
        prefix: &str,
        limit: usize,
    ) -> Vec<String> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded((parent.clone(), after.to_owned())),
            _ => Bound::Included((parent.clone(), prefix.to_owned())),
        };
        let mut changed = self
            .children
            .range_from(start)
            .take_while(|((of, name), _)| of == parent && name.starts_with(prefix))
            .map(|((_, name), present)| (name.as_str(), present.is_some()))
            .peekable();
        let mut settled = self
            .tree
            .child_names(parent.as_str(), after, prefix)
            .peekable();
        let mut names = Vec::new();
        while names.len() < limit {
            let take_changed = match (changed.peek(), settled.peek()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((changed, _)), Some(settled)) => changed <= settled,
            };
            if !take_changed {
                names.extend(settled.next().map(str::to_owned));
                continue;
            }
            let Some((name, present)) = changed.next() else {
                break;
            };
            if settled.peek() == Some(&name) {
                settled.next();
            }
            if present {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Ephemeral nodes of a session.
    pub(crate) fn ephemerals(&self, session: SessionId) -> BTreeSet<ZnodePath> {
        let mut paths: BTreeSet<_> = self.tree.ephemerals(session).cloned().collect();
        let from = Bound::Included((session, ZnodePath::root()));
        for ((owner, path), present) in self.ephemerals.range_from(from) {
            if *owner != session {
                break;
            }
            if present.is_some() {
                if !self.has_bug(Bug::CloseSparesNodesInFlight) {
                    paths.insert(path.clone());
                }
            } else {
                paths.remove(path);
            }
        }
        paths
    }

    /// A session that is neither unknown nor closed nor about to be.
    pub(crate) fn session(&self, session: SessionId) -> Option<LiveSession> {
        match self.sessions.get(&session) {
            Some(pending) => pending.copied(),
            None => self.tree.session(session).map(|session| LiveSession {
                attachment: session.attachment,
                password: session.password,
            }),
        }
    }

    /// True if that request was proposed and is not applied yet.
    pub(crate) fn is_in_flight(&self, session: SessionId, xid: Xid) -> bool {
        self.requests.get(&(session, xid)).is_some()
    }

    /// True if a request of the session behind that one was executed.
    pub(crate) fn has_later(&self, session: SessionId, xid: Xid) -> bool {
        let Some(next) = xid.0.checked_add(1).map(Xid) else {
            return false;
        };
        let later = (session, next)..=(session, Xid(u64::MAX));
        let record = self.tree.session(session);
        self.requests.any_in(later)
            || record.is_some_and(|record| {
                record.results.range(next..).next().is_some()
                    || record.parked.range(next..).next().is_some()
            })
    }

    pub(crate) fn call(&self, call: CallId) -> Option<ParkedCall> {
        match self.calls.get(&call) {
            Some(pending) => pending.cloned(),
            None => self.tree.parked(call).cloned(),
        }
    }

    /// Parked calls of a mount with that tag, in park order, behind `after`, at most `limit`.
    pub(crate) fn calls_with_tag(
        &self,
        mount: &ZnodePath,
        tag: &str,
        after: CallId,
        limit: usize,
    ) -> Vec<ParkedCall> {
        let mut ids: BTreeSet<CallId> = self
            .tree
            .parked_with_tag(mount, tag, after)
            .map(|call| call.id)
            .filter(|id| self.calls.get(id).is_none())
            .take(limit)
            .collect();
        let from = Bound::Excluded((mount.clone(), tag.to_owned(), after));
        let changed = self
            .tags
            .range_from(from)
            .take_while(|((at, with, _), _)| at == mount && with == tag)
            .filter(|(_, present)| present.is_some())
            .map(|((_, _, id), _)| *id);
        ids.extend(changed.take(limit));
        ids.into_iter()
            .take(limit)
            .filter_map(|id| self.call(id))
            .collect()
    }

    /// Parked calls of a session.
    pub(crate) fn calls_of(&self, session: SessionId) -> Vec<ParkedCall> {
        let mut ids: BTreeSet<CallId> = self.tree.parked_of(session).map(|call| call.id).collect();
        for (id, call) in self.calls.iter() {
            match call {
                Some(call) if call.session == session => ids.insert(*id),
                _ => ids.remove(id),
            };
        }
        ids.into_iter().filter_map(|id| self.call(id)).collect()
    }

    /// Parked calls of a mount.
    pub(crate) fn calls_at(&self, mount: &ZnodePath) -> Vec<ParkedCall> {
        let mut ids: BTreeSet<CallId> = self
            .tree
            .parked_calls_at(mount)
            .map(|call| call.id)
            .collect();
        for (id, call) in self.calls.iter() {
            match call {
                Some(call) if call.mount == *mount => ids.insert(*id),
                _ => ids.remove(id),
            };
        }
        ids.into_iter().filter_map(|id| self.call(id)).collect()
    }

    /// True if so many calls are parked at a mount, those in flight included.
    pub(crate) fn has_parked(&self, mount: &ZnodePath, many: usize) -> bool {
        let applied = self.tree.parked_at(mount);
        // Those in flight are counted one by one only where that can make a difference.
        if applied + self.calls.len() < many {
            return false;
        }
        let (mut more, mut fewer) = (0, 0);
        for (id, pending) in self.calls.iter() {
            match (pending, self.tree.parked(*id)) {
                (Some(call), None) if call.mount == *mount => more += 1,
                (None, Some(call)) if call.mount == *mount => fewer += 1,
                _ => {}
            }
        }
        applied + more - fewer >= many
    }

    /// True if so many calls of a session are parked, those in flight included.
    pub(crate) fn session_has_parked(&self, session: SessionId, many: usize) -> bool {
        // Those in flight are counted one by one only where that can make a difference.
        let at_most = self.tree.parked_of(session).count() + self.calls.len();
        at_most >= many && self.calls_of(session).len() >= many
    }

    /// When a timer rings, if it is set.
    pub(crate) fn timer(&self, mount: &ZnodePath, tag: &str) -> Option<u64> {
        match self.timers.get(&(mount.clone(), tag.to_owned())) {
            Some(pending) => pending.copied(),
            None => self.tree.timer(mount, tag).map(|timer| timer.due),
        }
    }

    /// Tags of a mount's timers.
    pub(crate) fn timers_at(&self, mount: &ZnodePath) -> BTreeSet<String> {
        let mut tags: BTreeSet<_> = self
            .tree
            .timers_at(mount)
            .map(|timer| timer.tag.clone())
            .collect();
        for ((_, tag), due) in self.timers.iter().filter(|((at, _), _)| at == mount) {
            if due.is_some() {
                tags.insert(tag.clone());
            } else {
                tags.remove(tag);
            }
        }
        tags
    }

    pub(crate) fn mount(&self, path: &str) -> Option<&Mount> {
        match self.mounts.get(path) {
            Some(pending) => pending,
            None => self.tree.mount(path),
        }
    }

    /// The mount at or above a path.
    pub(crate) fn mount_of(&self, path: &ZnodePath) -> Option<&Mount> {
        let mut at = Some(path.as_str());
        while let Some(text) = at {
            if let Some(mount) = self.mount(text) {
                return Some(mount);
            }
            at = match text.rsplit_once('/') {
                Some(("", "")) | None => None,
                Some(("", _)) => Some("/"),
                Some((parent, _)) => Some(parent),
            };
        }
        None
    }

    /// All mounts.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        let mut paths: BTreeSet<_> = self.tree.mounts().map(|mount| mount.path.clone()).collect();
        paths.extend(self.mounts.iter().map(|(path, _)| path.clone()));
        paths
            .iter()
            .filter_map(|path| self.mount(path.as_str()).cloned())
            .collect()
    }

    pub(crate) fn mount_count(&self) -> usize {
        self.tree.mounts().count() + self.mounts.iter().count()
    }

    pub(crate) fn plugin(&self, name: &str) -> Option<&PluginRecord> {
        match self.plugins.get(name) {
            Some(pending) => pending,
            None => self.tree.plugin(name),
        }
    }

    /// All plugins, by name.
    pub(crate) fn plugins(&self) -> Vec<(String, &PluginRecord)> {
        let mut names: BTreeSet<_> = self
            .tree
            .plugins()
            .map(|(name, _)| name.to_owned())
            .collect();
        names.extend(self.plugins.iter().map(|(name, _)| name.clone()));
        let known = names.into_iter();
        known
            .filter_map(|name| self.plugin(&name).map(|plugin| (name, plugin)))
            .collect()
    }

    /// The revision in use at a mount.
    pub(crate) fn revision_at(&self, mount: &Mount) -> Option<&Revision> {
        self.plugin(&mount.plugin)?.revision(&mount.revision)
    }

    pub(crate) fn publishers(&self) -> &Publishers {
        match self.publishers.get(&()) {
            Some(Some(pending)) => pending,
            Some(None) | None => self.tree.publishers(),
        }
    }

    /// True if pieces of it, or its end, are proposed and not applied yet.
    pub(crate) fn is_component_in_flight(&self, sha256: &Sha256) -> bool {
        self.components.get(sha256).is_some()
    }

    /// Bytes of a component that have arrived, and how many there will be once it is applied.
    pub(crate) fn component_received(&self, sha256: &Sha256) -> u64 {
        match self.components.get(sha256) {
            Some(pending) => pending.copied().unwrap_or(0),
            None => self
                .tree
                .component(sha256)
                .map_or(0, |component| component.received()),
        }
    }

    /// The ensemble as the next transaction will find it, once a leader has written it down.
    pub(crate) fn ensemble(&self) -> Option<&Ensemble> {
        match self.ensembles.get(&()) {
            Some(pending) => pending,
            None => self.tree.ensemble(),
        }
    }

    /// True if a transaction that sets the ensemble is proposed and not applied yet.
    pub(crate) fn is_ensemble_in_flight(&self) -> bool {
        self.ensembles.get(&()).is_some()
    }

    pub(crate) fn token(&self, hash: &Sha256) -> Option<&JoinToken> {
        match self.tokens.get(hash) {
            Some(pending) => pending,
            None => self.tree.join_token(hash),
        }
    }

    /// All tokens.
    pub(crate) fn tokens(&self) -> Vec<JoinToken> {
        let mut hashes: BTreeSet<_> = self.tree.join_tokens().map(|token| token.hash).collect();
        hashes.extend(self.tokens.iter().map(|(hash, _)| *hash));
        let known = hashes.iter().filter_map(|hash| self.token(hash));
        known.cloned().collect()
    }

    /// Who may administer the ensemble, and how often that was set.
    pub(crate) fn administrators(&self) -> (&Acl, u64) {
        match self.administrators.get(&()) {
            Some(Some((acl, aversion))) => (acl, *aversion),
            Some(None) | None => self.tree.administrators(),
        }
    }
}
