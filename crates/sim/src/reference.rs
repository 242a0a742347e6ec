//! An independent model of the znodes, and what every one of them was at any time: what reads and
//! watches are judged by. As simple as can be; must never share code with the tree.

mod quotas;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zareba_model::{
    Acl, Effect, Event, EventKind, Lifetime, SessionId, Stat, Txn, ZnodePath, Zxid,
};

pub(crate) use self::quotas::{Counted, Quotas};

/// Where the ensemble's own list stands.
pub(crate) const RESERVED: &str = "/zareba";

/// The record that tells who the members are.
const ENSEMBLE: &str = "/zareba/ensemble";

/// A node as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) stat: Stat,
    pub(crate) data: Bytes,
    pub(crate) acl: Acl,
    /// It has had children.
    pub(crate) was_parent: bool,
}

/// Something that watches may wait for, with the list of the node that it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) event: Event,
    pub(crate) acl: Acl,
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
    /// All that ever happened, in order.
    events: Vec<Happened>,
    /// Who may administer the ensemble, since when.
    administrators: Vec<(Zxid, Acl)>,
    pub(crate) quotas: Quotas,
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
        let root = ZnodePath::root();
        reference.nodes.insert(root.clone(), Seen::default());
        reference.note(&root, Zxid::ZERO);
        reference
    }

    /// Applies one effect of a transaction and notes what it touched.
    pub(crate) fn apply(&mut self, zxid: Zxid, txn: &Txn, effect: &Effect, touched: &mut Touched) {
        let path = match effect {
            Effect::CreateNode {
                path,
                data,
                acl,
                lifetime,
                ..
            } => {
                let stat = Stat {
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime: txn.time,
                    mtime: txn.time,
                    lifetime: *lifetime,
                    data_length: data.len() as u32,
                    ..Stat::default()
                };
                let seen = Seen {
                    stat,
                    data: data.clone(),
                    acl: acl.clone(),
                    was_parent: false,
                };
                self.create(path, seen, zxid);
                let owner = lifetime.owner();
                touched.owners.extend((!owner.is_none()).then_some(owner));
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
            Effect::SetAcl { path, acl, .. } if path.as_str() == RESERVED => {
                return self.administrators.push((zxid, acl.clone()));
            }
            Effect::SetAcl { path, acl, .. } => {
                if let Some(node) = self.nodes.get_mut(path) {
                    node.acl = acl.clone();
                    node.stat.aversion += 1;
                }
                path
            }
            Effect::SetQuota { path, quota } => {
                return self.quotas.set(path, *quota, zxid, &self.nodes);
            }
            Effect::SetEnsemble(_) => {
                if let Ok(path) = ZnodePath::parse(ENSEMBLE) {
                    self.tell(&path, EventKind::Changed, zxid, Acl::open());
                }
                return;
            }
            _ => return,
        };
        self.quotas.count(zxid, &self.nodes);
        // What comes and goes within one transaction has been there for watches.
        self.note(path, zxid);
        touched.paths.insert(path.clone());
        if let Some(parent) = path.parent() {
            self.note(&parent, zxid);
            touched.paths.insert(parent);
        }
    }

    fn note(&mut self, path: &ZnodePath, zxid: Zxid) {
        let seen = self.nodes.get(path).cloned();
        let past = self.past.entry(path.clone()).or_default();
        past.push((zxid, seen));
    }

    fn tell(&mut self, path: &ZnodePath, kind: EventKind, zxid: Zxid, acl: Acl) {
        let path = path.clone();
        let event = Event { path, kind, zxid };
        self.events.push(Happened { event, acl });
    }

    fn create(&mut self, path: &ZnodePath, seen: Seen, zxid: Zxid) {
        let (owner, acl) = (seen.stat.lifetime.owner(), seen.acl.clone());
        self.nodes.insert(path.clone(), seen);
        if !owner.is_none() {
            self.owned.entry(owner).or_default().insert(path.clone());
        }
        self.lives_of(path).push(Life {
            from: zxid,
            until: None,
        });
        self.tell(path, EventKind::Created, zxid, acl);
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
            let acl = node.acl.clone();
            self.tell(path, EventKind::Changed, zxid, acl);
        }
    }

    /// Whose it was, if it was somebody's.
    fn delete(&mut self, path: &ZnodePath, zxid: Zxid) -> Option<SessionId> {
        let gone = self.nodes.remove(path);
        self.children.remove(path);
        if let Some(life) = self.lives_of(path).last_mut() {
            life.until = Some(zxid);
        }
        let acl = gone.as_ref().map(|seen| seen.acl.clone());
        self.tell(path, EventKind::Deleted, zxid, acl.unwrap_or_default());
        self.change_children(path, zxid, |names, name| names.remove(&name));
        let owner = gone.map(|seen| seen.stat.lifetime.owner());
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
            node.was_parent = true;
            let acl = node.acl.clone();
            self.tell(&parent, EventKind::ChildrenChanged, zxid, acl);
        }
    }

    pub(crate) fn node(&self, path: &ZnodePath) -> Option<&Seen> {
        self.nodes.get(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes at and below a path, in order.
    pub(crate) fn within<'a>(
        &'a self,
        top: &'a ZnodePath,
    ) -> impl Iterator<Item = (&'a ZnodePath, &'a Seen)> {
        let behind = self.nodes.range::<ZnodePath, _>(top..);
        behind.filter(|(path, _)| is_within(path, top))
    }

    /// Nodes that end by themselves, now or later: with a TTL or as empty containers.
    pub(crate) fn mortal(&self) -> impl Iterator<Item = (&ZnodePath, &Seen)> {
        self.nodes.iter().filter(|(_, seen)| {
            let is_mortal = match seen.stat.lifetime {
                Lifetime::Ttl(_) => true,
                Lifetime::Container => seen.was_parent,
                Lifetime::Persistent | Lifetime::Ephemeral(_) => false,
            };
            is_mortal && seen.stat.num_children == 0
        })
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
        as_of(self.past.get(path)?, zxid)?.as_ref()
    }

    /// All nodes at and below a path as they were when `zxid` had been applied, in order.
    pub(crate) fn within_at<'a>(
        &'a self,
        top: &'a ZnodePath,
        zxid: Zxid,
    ) -> impl Iterator<Item = (&'a ZnodePath, &'a Seen)> {
        let behind = self.past.range::<ZnodePath, _>(top..);
        let within = behind.filter(|(path, _)| is_within(path, top));
        within.filter_map(move |(path, past)| Some((path, as_of(past, zxid)?.as_ref()?)))
    }

    /// Who may administer the ensemble when `zxid` has been applied.
    pub(crate) fn administrators_at(&self, zxid: Zxid) -> Acl {
        as_of(&self.administrators, zxid)
            .cloned()
            .unwrap_or_default()
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

    /// All that happened, in order.
    pub(crate) fn events(&self) -> &[Happened] {
        &self.events
    }

    /// How much happened up to `zxid`.
    pub(crate) fn events_up_to(&self, zxid: Zxid) -> usize {
        self.events.partition_point(|it| it.event.zxid <= zxid)
    }
}

/// True for the path itself and what is below it.
pub(crate) fn is_within(path: &ZnodePath, top: &ZnodePath) -> bool {
    let rest = path.as_str().strip_prefix(top.as_str());
    rest.is_some_and(|rest| top.is_root() || rest.is_empty() || rest.starts_with('/'))
}

/// What held when `zxid` had been applied.
fn as_of<T>(past: &[(Zxid, T)], zxid: Zxid) -> Option<&T> {
    let place = past.partition_point(|(since, _)| *since <= zxid);
    past.get(place.checked_sub(1)?).map(|(_, it)| it)
}
