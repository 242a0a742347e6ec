//! A transaction becomes state. Cannot fail: what could be refused was refused before.
//!
//! One path serves live transactions, recovery and synchronization. In recovery the log is applied
//! again over a fuzzy image, whose records were read at different times after the transaction
//! where the replay begins. Three rules make the replay end in the right state:
//! - effects are absolute, so the last one of the log decides;
//! - what an effect needs and does not find (a parent, a session) was removed later, and a later
//!   effect will say so or bring it back: the effect is skipped;
//! - what an effect finds in its way (a node already there, children of a node that goes) came
//!   later, and a later effect will bring it back: it is removed.
//!
//! A key is marked as changed even if its effect found nothing, because the image on disk may
//! still hold a record that the tree in memory does not.

use bytes::Bytes;
use zareba_model::{
    Acl, Answer, CallId, Cause, DigestMark, Effect, EventKind, ParkedCall, Quota, SessionId, Txn,
    Usage, Xid, ZnodePath, Zxid,
};

use crate::changes::{Changes, Divergence, NodeChange};
use crate::membership::AdministratorsRecord;
use crate::node::{Data, Node};
use crate::nodes::NodeId;
use crate::reserved;
use crate::sessions::Session;
use crate::snapshot::RecordKey;
use crate::tree::Tree;

impl Tree {
    /// Applies a transaction and says what it changed.
    ///
    /// Effects that create or delete the root, or name the reserved subtree, do nothing.
    ///
    /// # Panics
    /// If transactions do not come in the order of their ids.
    pub fn apply(&mut self, zxid: Zxid, txn: &Txn) -> Changes {
        assert!(zxid > self.applied, "{zxid} applied after {}", self.applied);
        let mut changes = Changes {
            zxid,
            diverged: txn.mark.and_then(|mark| self.compare(mark)),
            ..Changes::default()
        };
        for effect in &txn.effects {
            self.apply_effect(effect, zxid, txn.time, &mut changes);
        }
        self.apply_cause(&txn.cause);
        self.applied = zxid;
        self.time = txn.time;
        if self.is_consistent() {
            self.history.push(zxid, self.digest.0);
        }
        changes
    }

    /// Only digests of consistent states are in the history, so replay compares nothing too early.
    fn compare(&self, mark: DigestMark) -> Option<Divergence> {
        let found = self.history.at(mark.zxid)?;
        (found != mark.digest).then_some(Divergence {
            zxid: mark.zxid,
            expected: mark.digest,
            found,
        })
    }

    fn apply_cause(&mut self, cause: &Cause) {
        let Cause::Request {
            session,
            xid,
            acked,
            answer,
        } = cause
        else {
            return;
        };
        if !self.sessions.acknowledge(*session, acked, &mut self.digest) {
            return;
        }
        // Not compared with what the session had acknowledged before: a call may be executed behind
        // an acknowledgement that excepts it, and what came to be acknowledged since is forgotten
        // again when replay comes to that transaction.
        if let Some(answer) = answer.as_ref().filter(|_| !acked.contains(*xid)) {
            self.sessions.keep(*session, *xid, answer, &mut self.digest);
        }
        self.dirty.mark(RecordKey::Session(*session));
    }

    fn apply_effect(&mut self, effect: &Effect, zxid: Zxid, time: u64, changes: &mut Changes) {
        match effect {
            Effect::CreateNode {
                path,
                data,
                acl,
                lifetime,
                parent_created,
            } => {
                let mut node = Node::new(path.clone(), data, zxid, time);
                node.set_guard(*lifetime, acl, 0);
                self.create_node(node, *parent_created, changes);
            }
            Effect::SetNode {
                path,
                data,
                version,
            } => {
                self.set_node(path, data, *version, (zxid, time), changes);
            }
            Effect::DeleteNode { path } => self.delete_node(path, zxid, changes),
            Effect::SetAcl {
                path,
                acl,
                aversion,
            } => self.set_acl(path, acl, *aversion),
            Effect::SetQuota { path, quota } => self.set_quota(path, *quota),
            Effect::ParkCall(call) => self.park_call(call, changes),
            Effect::EndCall { call, answer } => self.end_call(*call, answer, changes),
            Effect::OpenSession { .. }
            | Effect::AttachSession { .. }
            | Effect::CloseSession { .. } => self.apply_to_sessions(effect, changes),
            Effect::SetTimer(_) | Effect::ClearTimer { .. } => {
                self.apply_to_timers(effect, changes)
            }
            Effect::StoreChunk { .. }
            | Effect::RegisterRevision { .. }
            | Effect::ActivateRevision { .. }
            | Effect::PutMount(_)
            | Effect::RemoveMount { .. } => self.apply_to_plugins(effect, changes),
            Effect::RemoveRevision { .. }
            | Effect::RemovePlugin { .. }
            | Effect::RemoveComponent { .. }
            | Effect::SetPublishers(_) => self.tidy_plugins(effect, changes),
            Effect::SetEnsemble(_) | Effect::PutToken(_) | Effect::RemoveToken { .. } => {
                self.apply_to_membership(effect, (zxid, time), changes);
            }
        }
    }

    fn apply_to_membership(&mut self, effect: &Effect, at: (Zxid, u64), changes: &mut Changes) {
        let digest = &mut self.digest;
        match effect {
            Effect::SetEnsemble(ensemble) => {
                self.membership.set(ensemble, at, digest);
                self.dirty.mark(RecordKey::Ensemble);
                changes.ensemble_changed = true;
                if let Ok(path) = ZnodePath::parse(reserved::ENSEMBLE) {
                    changes.events.push(NodeChange {
                        path,
                        kind: EventKind::Changed,
                        acl: Acl::open(),
                    });
                }
            }
            Effect::PutToken(token) => {
                self.membership.put_token(token.clone(), digest);
                self.dirty.mark(RecordKey::Token(token.hash));
            }
            Effect::RemoveToken { hash } => {
                self.membership.remove_token(hash, digest);
                self.dirty.mark(RecordKey::Token(*hash));
            }
            _ => {}
        }
    }

    fn create_node(&mut self, node: Node, parent_created: u64, changes: &mut Changes) {
        let path = node.path.clone();
        self.dirty.mark(RecordKey::Node(path.clone()));
        if path.is_root() || reserved::is_reserved(path.as_str()) {
            return;
        }
        let Some(parent) = path.parent_str().and_then(|parent| self.nodes.find(parent)) else {
            return;
        };
        if let Some(in_the_way) = self.nodes.find(path.as_str()) {
            self.remove_subtree(in_the_way, parent);
        }
        let zxid = node.czxid;
        let owner = node.owner();
        self.subtract_node(parent);
        let usage = node.usage();
        let acl = node.acl().clone();
        let id = self.nodes.insert(parent, node);
        self.touch_folder(parent, zxid, Some(parent_created));
        self.add_node(parent);
        self.add_node(id);
        self.ephemerals.insert(owner, path.clone());
        self.charge(&path, Usage::default(), usage, changes);
        changes.events.push(NodeChange {
            path,
            kind: EventKind::Created,
            acl,
        });
        self.tell_parent(parent, changes);
    }

    fn set_node(
        &mut self,
        path: &ZnodePath,
        data: &Bytes,
        version: u64,
        at: (Zxid, u64),
        changes: &mut Changes,
    ) {
        self.dirty.mark(RecordKey::Node(path.clone()));
        let Some(id) = self.nodes.find(path.as_str()) else {
            return;
        };
        self.subtract_node(id);
        let (mut before, mut acl) = (Usage::default(), Acl::open());
        if let Some(node) = self.nodes.get_mut(id) {
            before = node.usage();
            acl = node.acl().clone();
            node.data = Data::new(data);
            node.version = version;
            (node.mzxid, node.mtime) = at;
        }
        self.add_node(id);
        let after = Usage {
            bytes: data.len() as u64,
            ..before
        };
        self.charge(path, before, after, changes);
        changes.events.push(NodeChange {
            path: path.clone(),
            kind: EventKind::Changed,
            acl,
        });
    }

    /// The reserved subtree's list says who may administer the ensemble, and a plugin's there who may do
    /// what with it.
    fn set_acl(&mut self, path: &ZnodePath, acl: &Acl, aversion: u64) {
        if path.as_str() == reserved::PATH {
            let acl = acl.clone();
            let record = AdministratorsRecord { acl, aversion };
            self.membership.set_administrators(record, &mut self.digest);
            return self.dirty.mark(RecordKey::Administrators);
        }
        if let Some(name) = reserved::plugin_at(path.as_str()) {
            self.plugins.guard(&name, (acl, aversion), &mut self.digest);
            return self.dirty.mark(RecordKey::Plugin(name));
        }
        self.dirty.mark(RecordKey::Node(path.clone()));
        let Some(id) = self.nodes.find(path.as_str()) else {
            return;
        };
        self.subtract_node(id);
        if let Some(node) = self.nodes.get_mut(id) {
            node.set_guard(node.lifetime(), acl, aversion);
        }
        self.add_node(id);
    }

    fn set_quota(&mut self, path: &ZnodePath, quota: Quota) {
        self.dirty.mark(RecordKey::Quota(path.clone()));
        let digest = &mut self.digest;
        if quota.is_none() {
            return self.quotas.remove(path, digest);
        }
        let id = self.nodes.find(path.as_str());
        let usage = id.map_or_else(Usage::default, |id| self.nodes.usage(id));
        self.quotas.set(path, quota, usage, digest);
    }

    /// What is used of the quotas at and above a path changes.
    fn charge(&mut self, path: &ZnodePath, before: Usage, after: Usage, changes: &mut Changes) {
        let passed = &mut changes.quotas_passed;
        self.quotas.charge(path, before, after, passed);
    }

    fn delete_node(&mut self, path: &ZnodePath, zxid: Zxid, changes: &mut Changes) {
        self.dirty.mark(RecordKey::Node(path.clone()));
        if reserved::is_reserved(path.as_str()) {
            return;
        }
        let Some(parent) = path.parent_str().and_then(|parent| self.nodes.find(parent)) else {
            return;
        };
        let found = self.nodes.find(path.as_str());
        let acl = found
            .and_then(|id| self.nodes.get(id))
            .map(|node| node.acl().clone());
        if let Some(id) = found {
            self.remove_subtree(id, parent);
        }
        // Even if the node is gone already: its parent was read before or after, as may be.
        self.subtract_node(parent);
        self.touch_folder(parent, zxid, None);
        self.add_node(parent);
        if let Some(acl) = acl {
            changes.events.push(NodeChange {
                path: path.clone(),
                kind: EventKind::Deleted,
                acl,
            });
        }
        self.tell_parent(parent, changes);
    }

    /// Removes a node and, as only replay can need, all nodes below it.
    fn remove_subtree(&mut self, top: NodeId, parent: NodeId) {
        let ids = self.nodes.subtree(top);
        for id in &ids {
            self.subtract_node(*id);
        }
        self.subtract_node(parent);
        if let Some(name) = self.nodes.get(top).map(|node| node.path.name().to_owned()) {
            self.nodes.unlink(parent, &name);
        }
        self.add_node(parent);
        for id in ids {
            if let Some(node) = self.nodes.free(id) {
                self.ephemerals.remove(node.owner(), &node.path);
                let nothing = Usage::default();
                self.quotas
                    .charge(&node.path, node.usage(), nothing, &mut Vec::new());
                self.dirty.mark(RecordKey::Node(node.path));
            }
        }
    }

    fn touch_folder(&mut self, id: NodeId, zxid: Zxid, created: Option<u64>) {
        if let Some(node) = self.nodes.get_mut(id) {
            let folder = node.folder.get_or_insert_default();
            folder.pzxid = zxid;
            folder.created = created.unwrap_or(folder.created);
        }
    }

    fn tell_parent(&mut self, parent: NodeId, changes: &mut Changes) {
        if let Some(node) = self.nodes.get(parent) {
            self.dirty.mark(RecordKey::Node(node.path.clone()));
            changes.events.push(NodeChange {
                path: node.path.clone(),
                kind: EventKind::ChildrenChanged,
                acl: node.acl().clone(),
            });
        }
    }

    fn subtract_node(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get(id) {
            self.digest.subtract(node.hash());
            self.lifetimes.remove(node);
            self.node_bytes = self.node_bytes.saturating_sub(node.snapshot_bytes());
        }
    }

    fn add_node(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get(id) {
            self.digest.add(node.hash());
            self.lifetimes.insert(node);
            self.node_bytes += node.snapshot_bytes();
        }
    }

    fn apply_to_sessions(&mut self, effect: &Effect, changes: &mut Changes) {
        match effect {
            Effect::OpenSession {
                session: id,
                password,
                timeout_ms,
                server,
            } => {
                let session = Session::open(*id, *password, *timeout_ms, *server);
                self.sessions.put(session, &mut self.digest);
                self.dirty.mark(RecordKey::Session(*id));
                changes.sessions_opened.push(*id);
            }
            Effect::AttachSession {
                session: id,
                attachment,
                server,
            } => {
                let digest = &mut self.digest;
                let is_there = self.sessions.attach(*id, *attachment, *server, digest);
                if !is_there {
                    return;
                }
                self.dirty.mark(RecordKey::Session(*id));
                changes.sessions_attached.push((*id, *attachment, *server));
            }
            Effect::CloseSession { session: id } => {
                self.dirty.mark(RecordKey::Session(*id));
                if self.sessions.remove(*id, &mut self.digest) {
                    changes.sessions_closed.push(*id);
                }
            }
            _ => {}
        }
    }

    fn park_call(&mut self, call: &ParkedCall, changes: &mut Changes) {
        self.calls.insert(call.clone(), &mut self.digest);
        self.dirty.mark(RecordKey::Parked(call.id));
        if self.sessions.park(call.session, call.xid, call.id) {
            self.dirty.mark(RecordKey::Session(call.session));
        }
        changes.calls_parked.push(call.id);
    }

    fn end_call(&mut self, id: CallId, answer: &Answer, changes: &mut Changes) {
        self.dirty.mark(RecordKey::Parked(id));
        let call = self.calls.remove(id, &mut self.digest);
        let listed = self.sessions.unpark(id);
        let request = call
            .as_ref()
            .map(|call| (call.session, call.xid))
            .or(listed);
        if let Some((session, xid)) = request {
            self.record_result(session, xid, answer);
        }
        if let Some(call) = call {
            changes.calls_ended.push((call, answer.clone()));
        }
    }

    fn record_result(&mut self, session: SessionId, xid: Xid, answer: &Answer) {
        if self.sessions.keep(session, xid, answer, &mut self.digest) {
            self.dirty.mark(RecordKey::Session(session));
        }
    }

    fn apply_to_timers(&mut self, effect: &Effect, changes: &mut Changes) {
        let (mount, tag) = match effect {
            Effect::SetTimer(timer) => {
                self.timers.set(timer.clone(), &mut self.digest);
                (&timer.mount, &timer.tag)
            }
            Effect::ClearTimer { mount, tag } => {
                self.timers.clear(mount, tag, &mut self.digest);
                (mount, tag)
            }
            _ => return,
        };
        let (mount, tag) = (mount.clone(), tag.clone());
        self.dirty.mark(RecordKey::Timer { mount, tag });
        changes.timers_changed = true;
    }

    fn apply_to_plugins(&mut self, effect: &Effect, changes: &mut Changes) {
        match effect {
            Effect::StoreChunk {
                sha256,
                total,
                offset,
                data,
            } => {
                let (sha256, offset) = (*sha256, *offset);
                if self
                    .plugins
                    .store_chunk(sha256, *total, offset, data, &mut self.digest)
                {
                    changes.components_completed.push(sha256);
                }
                self.dirty
                    .mark(RecordKey::ComponentChunk { sha256, offset });
            }
            Effect::RegisterRevision { name, revision } => {
                self.plugins.register(name, revision, &mut self.digest);
                self.dirty.mark(RecordKey::Plugin(name.clone()));
                changes
                    .revisions_registered
                    .push((name.clone(), revision.sha256));
            }
            Effect::ActivateRevision {
                name,
                sha256,
                previous,
            } => {
                let heads = (*sha256, *previous);
                if !self.plugins.activate(name, heads, &mut self.digest) {
                    return;
                }
                self.dirty.mark(RecordKey::Plugin(name.clone()));
                let activated = (name.clone(), *sha256);
                changes.revisions_activated.push(activated);
            }
            Effect::PutMount(mount) => {
                self.plugins.put_mount(mount.clone(), &mut self.digest);
                self.dirty.mark(RecordKey::Mount(mount.path.clone()));
                changes.mounts_changed = true;
            }
            Effect::RemoveMount { path } => {
                self.plugins.remove_mount(path, &mut self.digest);
                self.dirty.mark(RecordKey::Mount(path.clone()));
                changes.mounts_changed = true;
            }
            _ => {}
        }
    }

    /// What goes, and who may publish.
    fn tidy_plugins(&mut self, effect: &Effect, changes: &mut Changes) {
        match effect {
            Effect::RemoveRevision { name, sha256 } => {
                self.plugins.remove_revision(name, sha256, &mut self.digest);
                self.dirty.mark(RecordKey::Plugin(name.clone()));
            }
            Effect::RemovePlugin { name } => {
                self.plugins.remove_plugin(name, &mut self.digest);
                self.dirty.mark(RecordKey::Plugin(name.clone()));
            }
            Effect::RemoveComponent { sha256 } => {
                let sha256 = *sha256;
                for offset in self.plugins.remove_component(&sha256, &mut self.digest) {
                    self.dirty
                        .mark(RecordKey::ComponentChunk { sha256, offset });
                }
                changes.components_removed.push(sha256);
            }
            Effect::SetPublishers(publishers) => {
                self.plugins
                    .set_publishers(publishers.clone(), &mut self.digest);
                self.dirty.mark(RecordKey::Publishers);
            }
            _ => {}
        }
    }
}
