//! Random logs as a leader would write them: every transaction is valid where it stands.

use bytes::Bytes;
use zareba_model::{
    Acked, Acl, AclEntry, Answer, Attachment, CallId, Cause, DigestMark, Effect, Ensemble,
    ErrorCode, Fault, JoinToken, Lifetime, Limits, Mount, Outcome, ParkedCall, Password,
    Permissions, PluginDescription, Principal, PublisherKey, Publishers, Quota, Revision, ServerId,
    SessionId, Sha256, Timer, Txn, Xid, ZnodePath, Zxid,
};

use crate::tree::Tree;

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.below(of.len() as u64) as usize].clone())
    }

    fn data(&mut self) -> Bytes {
        let length = [0, 3, 22, 23, 100, 600][self.below(6) as usize];
        Bytes::from(
            (0..length)
                .map(|_| self.below(256) as u8)
                .collect::<Vec<_>>(),
        )
    }
}

pub(super) fn path(text: &str) -> ZnodePath {
    ZnodePath::parse(text).unwrap()
}

/// Writes a log and keeps the state it leads to.
pub(super) struct Leader {
    pub(super) tree: Tree,
    pub(super) random: Random,
    pub(super) log: Vec<(Zxid, Txn)>,
    xid: u64,
}

impl Leader {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            tree: Tree::default(),
            random: Random::new(seed),
            log: Vec::new(),
            xid: 0,
        }
    }

    /// One more transaction, applied here.
    pub(super) fn step(&mut self) -> (Zxid, Txn) {
        let zxid = self.tree.applied().next().unwrap();
        let mark = (self.random.below(4) == 0).then(|| DigestMark {
            zxid: self.tree.applied(),
            digest: self.tree.digest(),
        });
        let mut txn = Txn {
            time: self.tree.time() + self.random.below(5),
            cause: Cause::System,
            effects: Vec::new(),
            mark,
        };
        // Later effects of a transaction are decided over its earlier ones.
        let mut overlay = self.tree.clone();
        for _ in 0..=self.random.below(3) {
            let effects = self.effects(&overlay, zxid);
            overlay = self.tree.clone();
            txn.effects.extend(effects);
            overlay.apply(zxid, &txn);
        }
        self.request(&overlay, &mut txn);
        let changes = self.tree.apply(zxid, &txn);
        assert_eq!(changes.diverged, None);
        self.log.push((zxid, txn.clone()));
        (zxid, txn)
    }

    /// Leaves out what is parked, and sometimes an answer that has come since.
    fn acked(&mut self, tree: &Tree, session: SessionId, up_to: Xid) -> Acked {
        let mut except = Vec::new();
        if let Some(session) = tree.session(session) {
            let kept = session.results.keys().filter(|_| self.random.below(2) == 0);
            except.extend(
                kept.chain(session.parked.keys())
                    .filter(|xid| **xid <= up_to),
            );
            except.sort_unstable();
        }
        Acked { up_to, except }
    }

    fn request(&mut self, tree: &Tree, txn: &mut Txn) {
        let sessions: Vec<_> = tree.sessions().map(|session| session.id).collect();
        if let Some(session) = self.random.pick(&sessions) {
            self.xid += 1;
            let xid = Xid(self.xid);
            let acked = tree.acked(session).0 + self.random.below(4);
            txn.cause = Cause::Request {
                session,
                xid,
                acked: self.acked(tree, session, Xid(acked.min(xid.0 - 1))),
                answer: (self.random.below(5) > 0).then(|| self.answer()),
            };
        }
    }

    fn answer(&mut self) -> Answer {
        match self.random.below(3) {
            0 => Ok(Outcome::Called(self.random.data())),
            1 => Ok(Outcome::Multi(vec![Outcome::Deleted, Outcome::Checked])),
            _ => Err(Fault::new(ErrorCode::Plugin(3), "no")),
        }
    }

    fn effects(&mut self, tree: &Tree, zxid: Zxid) -> Vec<Effect> {
        match self.random.below(19) {
            0..=4 => self.create(tree),
            5..=6 => self.set(tree),
            7..=9 => self.delete(tree),
            10 => self.session(tree, zxid),
            11 => self.close(tree),
            12 => self.park(tree, zxid),
            13 => self.end(tree),
            14 => self.timer(tree),
            15 => self.membership(tree),
            16 => self.guard(tree),
            17 => self.quota(tree),
            _ => self.plugin(tree, zxid),
        }
    }

    fn membership(&mut self, tree: &Tree) -> Vec<Effect> {
        let hash = Sha256([self.random.below(4) as u8; 32]);
        match self.random.below(3) {
            0 => {
                let servers = 1 + self.random.below(5);
                let mut ensemble = Ensemble::of_voters((1..=servers).map(ServerId));
                ensemble.version = tree.ensemble().map_or(1, |ensemble| ensemble.version + 1);
                vec![Effect::SetEnsemble(ensemble)]
            }
            1 => vec![Effect::PutToken(JoinToken {
                hash,
                voter: self.random.below(2) == 0,
                expires: tree.time() + self.random.below(100),
                taken: None,
            })],
            _ => vec![Effect::RemoveToken { hash }],
        }
    }

    fn nodes(tree: &Tree) -> Vec<ZnodePath> {
        let mut paths = vec![ZnodePath::root()];
        let mut at = 0;
        while let Some(folder) = paths.get(at).cloned() {
            let names = tree.child_names(folder.as_str(), None, "");
            paths.extend(names.map(|name| folder.join(name).unwrap()));
            at += 1;
        }
        paths
    }

    fn create(&mut self, tree: &Tree) -> Vec<Effect> {
        let folders: Vec<_> = Self::nodes(tree)
            .into_iter()
            .filter(|path| tree.node(path.as_str()).unwrap().owner().is_none())
            .filter(|path| path.as_str().len() < 8)
            .collect();
        let parent = self.random.pick(&folders).unwrap();
        let name = ["a", "a-b", "b", "c", "d!"][self.random.below(5) as usize];
        let path = parent.join(name).unwrap();
        if tree.node(path.as_str()).is_some() {
            return Vec::new();
        }
        let sessions: Vec<_> = tree.sessions().map(|session| session.id).collect();
        let lifetime = match (self.random.below(6), self.random.pick(&sessions)) {
            (0 | 1, Some(session)) => Lifetime::Ephemeral(session),
            (2, _) => Lifetime::Container,
            (3, _) => Lifetime::Ttl(1 + self.random.below(9)),
            _ => Lifetime::Persistent,
        };
        let acl = self.acl();
        let parent_created = tree.node(parent.as_str()).unwrap().created() + 1;
        let data = self.random.data();
        vec![Effect::CreateNode {
            path,
            data,
            acl,
            lifetime,
            parent_created,
        }]
    }

    fn acl(&mut self) -> Acl {
        let entry = AclEntry {
            permissions: Permissions::READ,
            principal: Principal {
                scheme: "x509".to_owned(),
                id: "CN=app".to_owned(),
            },
        };
        Acl(vec![entry; self.random.below(2) as usize])
    }

    fn guard(&mut self, tree: &Tree) -> Vec<Effect> {
        let acl = self.acl();
        if self.random.below(4) == 0 {
            return vec![Effect::SetAcl {
                path: path("/zareba"),
                acl,
                aversion: tree.administrators().1 + 1,
            }];
        }
        let path = self.random.pick(&Self::nodes(tree)).unwrap();
        let aversion = tree.node(path.as_str()).unwrap().stat().aversion + 1;
        vec![Effect::SetAcl {
            path,
            acl,
            aversion,
        }]
    }

    fn quota(&mut self, tree: &Tree) -> Vec<Effect> {
        let path = self.random.pick(&Self::nodes(tree)).unwrap();
        let quota = match self.random.below(3) {
            0 => Quota::default(),
            _ => Quota {
                nodes_soft: Some(self.random.below(5)),
                bytes_hard: Some(self.random.below(9)),
                ..Quota::default()
            },
        };
        vec![Effect::SetQuota { path, quota }]
    }

    fn set(&mut self, tree: &Tree) -> Vec<Effect> {
        let path = self.random.pick(&Self::nodes(tree)).unwrap();
        let version = tree.node(path.as_str()).unwrap().version() + 1;
        let data = self.random.data();
        vec![Effect::SetNode {
            path,
            data,
            version,
        }]
    }

    fn delete(&mut self, tree: &Tree) -> Vec<Effect> {
        let path = self.random.pick(&Self::nodes(tree)).unwrap();
        let has_children = tree.node(path.as_str()).unwrap().child_count() > 0;
        if path.is_root() || has_children {
            return Vec::new();
        }
        vec![Effect::DeleteNode { path }]
    }

    fn session(&mut self, tree: &Tree, zxid: Zxid) -> Vec<Effect> {
        let sessions: Vec<_> = tree.sessions().map(|session| session.id).collect();
        let server = ServerId(self.random.below(3));
        if sessions.len() > 5 {
            let session = self.random.pick(&sessions).unwrap();
            let attachment = Attachment(tree.session(session).unwrap().attachment.0 + 1);
            return vec![Effect::AttachSession {
                session,
                attachment,
                server,
            }];
        }
        let session = SessionId(zxid.to_u64());
        if tree.session(session).is_some() {
            return Vec::new();
        }
        let password = Password([self.random.below(256) as u8; 16]);
        vec![Effect::OpenSession {
            session,
            password,
            timeout_ms: 4_000,
            server,
        }]
    }

    fn close(&mut self, tree: &Tree) -> Vec<Effect> {
        let sessions: Vec<_> = tree.sessions().map(|session| session.id).collect();
        let Some(session) = self.random.pick(&sessions) else {
            return Vec::new();
        };
        let calls = tree.parked_of(session).map(|call| Effect::EndCall {
            call: call.id,
            answer: Err(Fault::new(ErrorCode::CallCancelled, "over")),
        });
        let nodes = tree
            .ephemerals(session)
            .map(|path| Effect::DeleteNode { path: path.clone() });
        let close = Effect::CloseSession { session };
        calls.chain(nodes).chain([close]).collect()
    }

    fn park(&mut self, tree: &Tree, zxid: Zxid) -> Vec<Effect> {
        let sessions: Vec<_> = tree.sessions().map(|session| session.id).collect();
        let id = CallId(zxid.to_u64());
        let Some(session) = self
            .random
            .pick(&sessions)
            .filter(|_| tree.parked(id).is_none())
        else {
            return Vec::new();
        };
        self.xid += 1;
        vec![Effect::ParkCall(ParkedCall {
            id,
            session,
            xid: Xid(self.xid),
            mount: path("/m"),
            op: "acquire".to_owned(),
            tag: ["x", "y"][self.random.below(2) as usize].to_owned(),
            since: tree.time(),
            deadline: (self.random.below(2) == 0).then(|| tree.time() + self.random.below(50)),
        })]
    }

    fn end(&mut self, tree: &Tree) -> Vec<Effect> {
        let calls: Vec<_> = tree.parked_calls().map(|call| call.id).collect();
        let answer = self.answer();
        let call = self.random.pick(&calls);
        call.map(|call| Effect::EndCall { call, answer })
            .into_iter()
            .collect()
    }

    fn timer(&mut self, tree: &Tree) -> Vec<Effect> {
        let mount = path(["/m", "/n"][self.random.below(2) as usize]);
        let tag = ["x", "y", "z"][self.random.below(3) as usize].to_owned();
        if tree.timer(&mount, &tag).is_some() && self.random.below(2) == 0 {
            return vec![Effect::ClearTimer { mount, tag }];
        }
        let due = self.random.below(1000);
        vec![Effect::SetTimer(Timer { mount, tag, due })]
    }

    fn plugin(&mut self, tree: &Tree, zxid: Zxid) -> Vec<Effect> {
        let number = self.random.below(4) as u8;
        let sha256 = Sha256([number; 32]);
        let name = ["lock", "queue"][self.random.below(2) as usize].to_owned();
        let mount = path(["/m", "/n"][self.random.below(2) as usize]);
        match self.random.below(8) {
            0 => {
                let offset = tree
                    .component(&sha256)
                    .map_or(0, |component| component.received());
                let data = Bytes::from(vec![number; 10]);
                vec![Effect::StoreChunk {
                    sha256,
                    total: 30,
                    offset: offset.min(20),
                    data,
                }]
            }
            1 => {
                let description = PluginDescription::default();
                let revision = Revision {
                    sha256,
                    size: 30,
                    registered: zxid,
                    description,
                    publisher: (number == 3).then(|| "ann".to_owned()),
                };
                vec![Effect::RegisterRevision { name, revision }]
            }
            2 if tree.plugin(&name).is_some() => {
                let previous = tree.plugin(&name).and_then(|plugin| plugin.active);
                vec![Effect::ActivateRevision {
                    name,
                    sha256,
                    previous,
                }]
            }
            4 => vec![Effect::RemoveRevision { name, sha256 }],
            5 if self.random.below(3) == 0 => vec![Effect::RemovePlugin { name }],
            5 => vec![Effect::SetPublishers(Publishers {
                required: number > 1,
                keys: [(name, PublisherKey([number; 32]))].into(),
            })],
            6 => vec![Effect::RemoveComponent { sha256 }],
            7 if tree.plugin(&name).is_some() => {
                let aversion = tree.plugin(&name).map_or(0, |plugin| plugin.aversion);
                vec![Effect::SetAcl {
                    path: path(&format!("/zareba/plugins/{name}")),
                    acl: self.acl(),
                    aversion: aversion + 1,
                }]
            }
            3 if tree.mount(mount.as_str()).is_some() => vec![Effect::RemoveMount { path: mount }],
            _ => vec![Effect::PutMount(Mount {
                path: mount,
                plugin: name,
                revision: sha256,
                config: [("k".to_owned(), number.to_string())].into(),
                limits: Limits::default(),
                backlog: Vec::new(),
                failures: 0,
                quarantined: None,
                paused: (number == 2).then(|| "for a while".to_owned()),
            })],
        }
    }
}
