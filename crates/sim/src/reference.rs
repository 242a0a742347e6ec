//! An independent model of the znodes, and what every one of them was at any time: what reads and
//! watches are judged by. As simple as can be; must never share code with the tree.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zareba_model::{Effect, SessionId, Stat, Txn, WatchKind, ZnodePath, Zxid};

/// A node as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) stat: Stat,
    pub(crate) data: Bytes,
}

/// What the nodes are and were.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    nodes: BTreeMap<ZnodePath, Seen>,
    children: BTreeMap<ZnodePath, BTreeSet<String>>,
    /// Every state of every node, with the transaction it began with.
    past: BTreeMap<ZnodePath, Vec<(Zxid, Option<Seen>)>>,
    /// When a child with that name was there: from one transaction to another.
    lives: BTreeMap<ZnodePath, BTreeMap<String, Vec<Life>>>,
    owned: BTreeMap<SessionId, BTreeSet<ZnodePath>>,
}

/// From its creation up to its end, if it has ended.
#[derive(Clone, Copy, Debug)]
struct Life {
    from: Zxid,
    until: Option<Zxid>,
}

/// What a transaction has touched.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) paths: BTreeSet<ZnodePath>,
    /// Whose nodes came or went.
    pub(crate) owners: BTreeSet<SessionId>,
}

impl Reference {
    pub(crate) fn new() -> Self {
        let mut reference = Self::default();
        reference.nodes.insert(ZnodePath::root(), Seen::default());
        reference
    }

    /// Applies a transaction and says what it touched.
    pub(crate) fn apply(&mut self, zxid: Zxid, txn: &Txn) -> Touched {
        let mut touched = Touched::default();
        for effect in &txn.effects {
            let path = match effect {
                Effect::CreateNode {
                    path, data, owner, ..
                } => {
                    self.create(path, data, *owner, zxid, txn.time);
                    touched.owners.extend((!owner.is_none()).then_some(*owner));
                    path
                }
                Effect::SetNode { path, data, .. } => {
                    self.set(path, data, zxid, txn.time);
                    path
                }
                Effect::DeleteNode { path } => {
                    touched.owners.extend(self.delete(path, zxid));
                    path
                }
                _ => continue,
            };
            // What comes and goes within one transaction has been there for watches.
            self.note(path, zxid);
            touched.paths.insert(path.clone());
            if let Some(parent) = path.parent() {
                self.note(&parent, zxid);
                touched.paths.insert(parent);
            }
        }
        touched
    }

    fn note(&mut self, path: &ZnodePath, zxid: Zxid) {
        let seen = self.nodes.get(path).cloned();
        let past = self.past.entry(path.clone()).or_default();
        past.push((zxid, seen));
    }

    fn create(&mut self, path: &ZnodePath, data: &Bytes, owner: SessionId, zxid: Zxid, time: u64) {
        let stat = Stat {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time,
            mtime: time,
            ephemeral_owner: owner,
            data_length: data.len() as u32,
            ..Stat::default()
        };
        let data = data.clone();
        self.nodes.insert(path.clone(), Seen { stat, data });
        if !owner.is_none() {
            self.owned.entry(owner).or_default().insert(path.clone());
        }
        self.lives_of(path).push(Life {
            from: zxid,
            until: None,
        });
        self.change_children(path, zxid, |names, name| names.insert(name));
    }

    /// The lives of the node's name below its parent.
    fn lives_of(&mut self, path: &ZnodePath) -> &mut Vec<Life> {
        let parent = path.parent().unwrap_or_else(ZnodePath::root);
        let names = self.lives.entry(parent).or_default();
        names.entry(path.name().to_owned()).or_default()
    }

    fn set(&mut self, path: &ZnodePath, data: &Bytes, zxid: Zxid, time: u64) {
        if let Some(node) = self.nodes.get_mut(path) {
            node.data = data.clone();
            node.stat.data_length = data.len() as u32;
            node.stat.version += 1;
            (node.stat.mzxid, node.stat.mtime) = (zxid, time);
        }
    }

    /// Whose it was, if it was somebody's.
    fn delete(&mut self, path: &ZnodePath, zxid: Zxid) -> Option<SessionId> {
        let gone = self.nodes.remove(path);
        self.children.remove(path);
        if let Some(life) = self.lives_of(path).last_mut() {
            life.until = Some(zxid);
        }
        self.change_children(path, zxid, |names, name| names.remove(&name));
        let owner = gone.map(|seen| seen.stat.ephemeral_owner);
        let owner = owner.filter(|owner| !owner.is_none())?;
        if let Some(owned) = self.owned.get_mut(&owner) {
            owned.remove(path);
            if owned.is_empty() {
                self.owned.remove(&owner);
            }
        }
        Some(owner)
    }

    fn change_children(
        &mut self,
        path: &ZnodePath,
        zxid: Zxid,
        change: impl FnOnce(&mut BTreeSet<String>, String) -> bool,
    ) {
        let Some(parent) = path.parent() else { return };
        let names = self.children.entry(parent.clone()).or_default();
        change(names, path.name().to_owned());
        let count = names.len() as u64;
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.stat.cversion += 1;
            node.stat.pzxid = zxid;
            node.stat.num_children = count;
        }
    }

    pub(crate) fn node(&self, path: &ZnodePath) -> Option<&Seen> {
        self.nodes.get(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes of a session, in order.
    pub(crate) fn owned(&self, session: SessionId) -> impl Iterator<Item = &ZnodePath> {
        self.owned.get(&session).into_iter().flatten()
    }

    /// All sessions with nodes.
    pub(crate) fn owners(&self) -> impl Iterator<Item = SessionId> {
        self.owned.keys().copied()
    }

    /// A node as it was when `zxid` had been applied.
    pub(crate) fn at(&self, path: &ZnodePath, zxid: Zxid) -> Option<&Seen> {
        let past = self.past.get(path)?;
        let place = past.partition_point(|(since, _)| *since <= zxid);
        past.get(place.checked_sub(1)?)?.1.as_ref()
    }

    /// Names of a node's children when `zxid` had been applied, in order.
    pub(crate) fn names_at(&self, path: &ZnodePath, zxid: Zxid) -> impl Iterator<Item = &str> {
        let was_there = move |lives: &&Vec<Life>| {
            let newest = lives.partition_point(|life| life.from <= zxid);
            // Names come and go within one transaction too.
            let began = lives.get(..newest).unwrap_or_default();
            began
                .last()
                .is_some_and(|life| life.until.is_none_or(|until| until > zxid))
        };
        let names = self.lives.get(path).into_iter().flatten();
        names
            .filter(move |(_, lives)| was_there(lives))
            .map(|(name, _)| name.as_str())
    }

    /// The first change behind `after` and up to `until` that a watch of that kind waits for.
    pub(crate) fn change_between(
        &self,
        path: &ZnodePath,
        kind: WatchKind,
        after: Zxid,
        until: Zxid,
    ) -> Option<Zxid> {
        let past = self.past.get(path)?;
        let from = past.partition_point(|(since, _)| *since <= after);
        let mut before = from
            .checked_sub(1)
            .and_then(|place| past.get(place))
            .and_then(|(_, seen)| seen.as_ref());
        for (zxid, seen) in past.iter().skip(from) {
            if *zxid > until {
                return None;
            }
            let differs = match (before, seen) {
                (None, None) => false,
                (None, Some(_)) => kind == WatchKind::Data,
                (Some(_), None) => true,
                (Some(old), Some(new)) => match kind {
                    WatchKind::Data => old.stat.mzxid != new.stat.mzxid,
                    WatchKind::Children => {
                        old.stat.pzxid != new.stat.pzxid || old.stat.czxid != new.stat.czxid
                    }
                },
            };
            if differs {
                return Some(*zxid);
            }
            before = seen.as_ref();
        }
        None
    }
}
