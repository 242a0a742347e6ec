//! The simplest model of what a session may ask: one map of paths, changed one rule at a time. Shares
//! nothing with the code under test but the nouns.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{
    Acl, Change, ChildrenPage, CreateMode, ErrorCode, Lifetime, Outcome, SessionId, Stat,
    ZnodePath, Zxid,
};

#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) data: Bytes,
    pub(crate) acl: Acl,
    pub(crate) stat: Stat,
    /// Children it ever had.
    next: u64,
}

/// Where and when a change happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) zxid: Zxid,
    pub(crate) time: u64,
    pub(crate) session: SessionId,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<String, Plain>,
}

type Answer = Result<Outcome, ErrorCode>;

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

fn is_within(path: &str, above: &str) -> bool {
    let prefix = if above == "/" { "" } else { above };
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Model {
    pub(crate) fn new() -> Self {
        let root = Plain {
            data: Bytes::new(),
            acl: Acl::open(),
            stat: Stat::default(),
            next: 0,
        };
        Self {
            nodes: BTreeMap::from([("/".to_owned(), root)]),
        }
    }

    /// One change; nothing happens if it is refused.
    pub(crate) fn change(&mut self, change: &Change, at: At) -> Answer {
        match change {
            Change::Create {
                path,
                data,
                mode,
                acl,
            } => self.create(path, data, *mode, acl, at),
            Change::Set {
                path,
                data,
                version,
            } => {
                let node = self.found(path)?;
                same(node.stat.version, *version)?;
                node.data = data.clone();
                node.stat.version += 1;
                (node.stat.mzxid, node.stat.mtime) = (at.zxid, at.time);
                node.stat.data_length = data.len() as u32;
                Ok(Outcome::Set(node.stat))
            }
            Change::Delete { path, version } => {
                let stat = self.found(path)?.stat;
                if path.is_root() {
                    return Err(ErrorCode::BadArguments);
                }
                same(stat.version, *version)?;
                if stat.num_children > 0 {
                    return Err(ErrorCode::NotEmpty);
                }
                self.remove(path.as_str(), at.zxid);
                Ok(Outcome::Deleted)
            }
            Change::Check { path, version } => {
                same(self.found(path)?.stat.version, *version)?;
                Ok(Outcome::Checked)
            }
            Change::SetAcl { path, acl, version } => {
                let node = self.found(path)?;
                same(node.stat.aversion, *version)?;
                node.acl = acl.clone();
                node.stat.aversion += 1;
                Ok(Outcome::Set(node.stat))
            }
        }
    }

    /// All or none.
    pub(crate) fn multi(
        &mut self,
        changes: &[Change],
        at: At,
    ) -> Result<Outcome, (ErrorCode, usize)> {
        let before = self.nodes.clone();
        let mut outcomes = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            match self.change(change, at) {
                Ok(outcome) => outcomes.push(outcome),
                Err(code) => {
                    self.nodes = before;
                    return Err((code, index));
                }
            }
        }
        Ok(Outcome::Multi(outcomes))
    }

    fn create(
        &mut self,
        path: &ZnodePath,
        data: &Bytes,
        mode: CreateMode,
        acl: &Acl,
        at: At,
    ) -> Answer {
        if path.is_root() {
            return Err(ErrorCode::NodeExists);
        }
        let above = parent(path.as_str()).to_owned();
        let Some(folder) = self.nodes.get(&above) else {
            return Err(ErrorCode::NoNode);
        };
        if matches!(folder.stat.lifetime, Lifetime::Ephemeral(_)) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let (numbered, lifetime) = match mode {
            CreateMode::Persistent => (false, Lifetime::Persistent),
            CreateMode::PersistentSequential => (true, Lifetime::Persistent),
            CreateMode::Ephemeral => (false, Lifetime::Ephemeral(at.session)),
            CreateMode::EphemeralSequential => (true, Lifetime::Ephemeral(at.session)),
            CreateMode::Container => (false, Lifetime::Container),
            CreateMode::Ttl(ms) => (false, Lifetime::Ttl(ms)),
            CreateMode::TtlSequential(ms) => (true, Lifetime::Ttl(ms)),
        };
        let name = match numbered {
            true => format!("{path}{:010}", folder.next),
            false => path.to_string(),
        };
        if self.nodes.contains_key(&name) {
            return Err(ErrorCode::NodeExists);
        }
        let stat = Stat {
            czxid: at.zxid,
            mzxid: at.zxid,
            pzxid: at.zxid,
            ctime: at.time,
            mtime: at.time,
            lifetime,
            data_length: data.len() as u32,
            ..Stat::default()
        };
        let node = Plain {
            data: data.clone(),
            acl: acl.clone(),
            stat,
            next: 0,
        };
        self.nodes.insert(name.clone(), node);
        let folder = self.nodes.get_mut(&above).unwrap();
        folder.next += 1;
        folder.stat.num_children += 1;
        folder.stat.cversion += 1;
        folder.stat.pzxid = at.zxid;
        let path = ZnodePath::parse(&name).unwrap();
        Ok(Outcome::Created { path, stat })
    }

    fn found(&mut self, path: &ZnodePath) -> Result<&mut Plain, ErrorCode> {
        self.nodes.get_mut(path.as_str()).ok_or(ErrorCode::NoNode)
    }

    fn remove(&mut self, path: &str, zxid: Zxid) {
        self.nodes.remove(path).unwrap();
        let folder = self.nodes.get_mut(parent(path)).unwrap();
        folder.stat.num_children -= 1;
        folder.stat.cversion += 1;
        folder.stat.pzxid = zxid;
    }

    /// A node and all below it go.
    pub(crate) fn delete_subtree(&mut self, top: &ZnodePath, zxid: Zxid) -> Answer {
        if top.is_root() {
            return Err(ErrorCode::BadArguments);
        }
        if !self.nodes.contains_key(top.as_str()) {
            return Err(ErrorCode::NoNode);
        }
        let before = self.nodes.len();
        self.nodes
            .retain(|path, _| path == top.as_str() || !is_within(path, top.as_str()));
        self.remove(top.as_str(), zxid);
        let deleted = (before - self.nodes.len()) as u64;
        let more = false;
        Ok(Outcome::SubtreeDeleted { deleted, more })
    }

    /// A session's nodes go with it.
    pub(crate) fn end_session(&mut self, session: SessionId, zxid: Zxid) {
        for path in self.owned(Some(session), "/") {
            self.remove(&path, zxid);
        }
    }

    /// Nodes whose time is over at a tick go, one transaction each, the one due first ahead.
    pub(crate) fn tick(&mut self, time: u64, zxid: &mut Zxid) {
        let mut over: Vec<(u64, String)> = Vec::new();
        for (path, node) in &self.nodes {
            if let Lifetime::Ttl(ms) = node.stat.lifetime
                && node.stat.num_children == 0
                && node.stat.mtime + ms <= time
            {
                over.push((node.stat.mtime + ms, path.clone()));
            }
        }
        over.sort();
        for (_, path) in over {
            *zxid = zxid.next().unwrap();
            self.remove(&path, *zxid);
        }
    }

    pub(crate) fn get(&mut self, path: &ZnodePath) -> Answer {
        let node = self.found(path)?;
        let (data, stat) = (node.data.clone(), node.stat);
        Ok(Outcome::Got {
            data,
            stat: seen(path, stat),
        })
    }

    pub(crate) fn exists(&mut self, path: &ZnodePath) -> Answer {
        let stat = self.found(path).ok().map(|node| node.stat);
        Ok(Outcome::Existence(stat.map(|stat| seen(path, stat))))
    }

    pub(crate) fn children(&mut self, path: &ZnodePath, page: &ChildrenPage) -> Answer {
        let stat = seen(path, self.found(path)?.stat);
        let below = self
            .nodes
            .keys()
            .filter(|key| *key != "/" && parent(key) == path.as_str());
        let mut names: Vec<_> = below
            .map(|key| key.rsplit_once('/').unwrap().1.to_owned())
            .collect();
        if path.is_root() {
            names.push("zareba".to_owned());
        }
        names.sort();
        names.retain(|name| {
            let behind = page.after.as_ref().is_none_or(|after| name > after);
            behind && name.starts_with(&page.prefix)
        });
        let limit = match page.limit {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let more = names.len() > limit;
        names.truncate(limit);
        Ok(Outcome::Children { names, stat, more })
    }

    pub(crate) fn acl(&mut self, path: &ZnodePath) -> Answer {
        let node = self.found(path)?;
        let (acl, stat) = (node.acl.clone(), node.stat);
        Ok(Outcome::GotAcl {
            acl,
            stat: seen(path, stat),
        })
    }

    pub(crate) fn count(&mut self, path: &ZnodePath) -> Answer {
        self.found(path)?;
        let below = self
            .nodes
            .keys()
            .filter(|key| is_within(key, path.as_str()));
        Ok(Outcome::Counted(below.count() as u64 - 1))
    }

    /// Paths of ephemeral nodes below a path, in order.
    pub(crate) fn owned(&self, session: Option<SessionId>, under: &str) -> Vec<String> {
        let is_owned = |node: &Plain| match node.stat.lifetime {
            Lifetime::Ephemeral(owner) => session.is_none_or(|session| session == owner),
            _ => false,
        };
        let found = self
            .nodes
            .iter()
            .filter(|(path, node)| is_owned(node) && is_within(path, under));
        found.map(|(path, _)| path.clone()).collect()
    }
}

/// The root shows one child more than it has: the ensemble's own records.
fn seen(path: &ZnodePath, mut stat: Stat) -> Stat {
    if path.is_root() {
        stat.num_children += 1;
    }
    stat
}

fn same(found: u64, wanted: Option<u64>) -> Result<(), ErrorCode> {
    match wanted {
        Some(wanted) if wanted != found => Err(ErrorCode::BadVersion),
        _ => Ok(()),
    }
}
