//! Random operations of several sessions against the model: every answer, every stat, every refusal. At
//! random steps the server starts again from its disk, and everything must be as it was.
//!
//! `ZAREBA_STEPS=1000000 cargo test --release -p zareba-replica --test kernel property` goes on for
//! longer; a failure names its seed, and `ZAREBA_SEED` runs that one alone.

use bytes::Bytes;
use zareba_model::{
    Acl, AclEntry, Change, ChildrenPage, CreateMode, Op, Outcome, PathsPage, Permissions, Read,
    Write, ZnodePath,
};
use zareba_replica::ConnectionId;

use super::model::{At, Model};
use super::solo::{Solo, path, principal};

/// Steps of one seed: trees stay small enough that operations meet.
const STEPS: usize = 2_000;

/// Steps between two restarts, about: some find an image, some the log alone.
const RESTART_ONCE_IN: u64 = 300;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// A path that is there, or may be.
    fn path(&mut self, model: &Model) -> ZnodePath {
        if self.below(3) > 0 {
            let place = self.below(model.nodes.len() as u64) as usize;
            return path(model.nodes.keys().nth(place).unwrap());
        }
        self.new_path(model)
    }

    /// A path below one that is there, or not.
    fn new_path(&mut self, model: &Model) -> ZnodePath {
        let place = self.below(model.nodes.len() as u64) as usize;
        let mut parent = path(model.nodes.keys().nth(place).unwrap());
        for _ in 0..=self.below(10) / 9 {
            let name = *self.pick(&["a", "b", "ab", "a-b", "c", "zz"]);
            parent = parent.join(name).unwrap();
        }
        // Deep trees say nothing that shallow ones do not.
        match parent.as_str().len() {
            0..=24 => parent,
            _ => path("/a"),
        }
    }

    fn version(&mut self, right: u64) -> Option<u64> {
        match self.below(4) {
            0 => Some(right + self.below(2)),
            1 => Some(right),
            _ => None,
        }
    }

    fn acl(&mut self) -> Acl {
        let entry = |permissions, who| AclEntry {
            permissions,
            principal: principal(who),
        };
        match self.below(3) {
            0 => Acl(vec![entry(Permissions::ALL, "world:anyone")]),
            1 => Acl(vec![
                entry(Permissions::READ, "digest:a:b"),
                entry(Permissions::ALL, "world:anyone"),
            ]),
            _ => Acl::open(),
        }
    }

    fn change(&mut self, model: &Model) -> Change {
        let at = self.path(model);
        let node = model.nodes.get(at.as_str());
        let stat = node.map(|node| node.stat).unwrap_or_default();
        match self.below(12) {
            0..=4 => Change::Create {
                path: self.new_path(model),
                data: self.data(),
                mode: *self.pick(&[
                    CreateMode::Persistent,
                    CreateMode::Persistent,
                    CreateMode::PersistentSequential,
                    CreateMode::Ephemeral,
                    CreateMode::EphemeralSequential,
                    CreateMode::Ttl(100),
                    CreateMode::TtlSequential(250),
                ]),
                acl: self.acl(),
            },
            5..=6 => Change::Set {
                path: at,
                data: self.data(),
                version: self.version(stat.version),
            },
            7..=9 => Change::Delete {
                path: at,
                version: self.version(stat.version),
            },
            10 => Change::Check {
                path: at,
                version: self.version(stat.version),
            },
            _ => Change::SetAcl {
                path: at,
                acl: self.acl(),
                version: self.version(stat.aversion),
            },
        }
    }

    fn data(&mut self) -> Bytes {
        Bytes::from(vec![b'x'; *self.pick(&[0, 1, 22, 23, 300])])
    }
}

struct Run {
    solo: Solo,
    model: Model,
    clients: Vec<ConnectionId>,
    random: Random,
    restarts: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut solo = Solo::start();
        let clients = (0..3).map(|_| solo.enter(&[])).collect();
        Self {
            solo,
            model: Model::new(),
            clients,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            restarts: 0,
        }
    }

    fn step(&mut self) {
        if self.random.below(RESTART_ONCE_IN) == 0 {
            self.restart();
        }
        let place = self.random.below(self.clients.len() as u64) as usize;
        let client = self.clients[place];
        let at = At {
            zxid: self.solo.tree().applied().next().unwrap(),
            time: self.solo.wall_ms(),
            session: self.solo.session(client),
        };
        match self.random.below(40) {
            0 => self.let_time_pass(),
            1 => self.replace(place, at),
            2..=18 => self.write_one(client, at),
            19..=22 => self.write_several(client, at),
            23 => {
                let top = self.random.path(&self.model);
                let expected = self.model.delete_subtree(&top, at.zxid);
                let op = Op::Write(Write::DeleteSubtree { path: top });
                self.compare(client, op, expected);
            }
            _ => self.read(client),
        }
    }

    fn let_time_pass(&mut self) {
        for _ in 0..=self.random.below(4) {
            let mut zxid = self.solo.tree().applied();
            self.solo.pass(10);
            self.model.tick(self.solo.wall_ms(), &mut zxid);
            assert_eq!(self.solo.tree().applied(), zxid, "what ends by itself");
        }
    }

    /// The server starts again from its disk, with the same tree, and its clients come back.
    fn restart(&mut self) {
        let before = (self.solo.tree().applied(), self.solo.tree().digest());
        self.solo.restart();
        let after = (self.solo.tree().applied(), self.solo.tree().digest());
        assert_eq!(after, before, "what was on the disk is there again");
        assert_eq!(self.solo.tree().recomputed_digest(), after.1);
        self.solo.lead();
        for client in &mut self.clients {
            *client = self.solo.come_back(*client, after.0, Vec::new(), &[]);
            assert!(self.solo.told(*client).welcome.is_some());
        }
        self.restarts += 1;
        let client = self.clients[0];
        let paths: Vec<_> = self.model.nodes.keys().map(|text| path(text)).collect();
        for path in paths {
            let (expected, watch) = (self.model.get(&path), false);
            let got = Op::Read(Read::Get {
                path: path.clone(),
                watch,
            });
            self.compare(client, got, expected);
            let expected = self.model.acl(&path);
            self.compare(client, Op::Read(Read::Acl { path }), expected);
        }
    }

    /// A session ends, and another begins.
    fn replace(&mut self, place: usize, at: At) {
        let client = self.clients[place];
        self.solo.done(client, Op::Write(Write::CloseSession));
        self.model.end_session(at.session, at.zxid);
        self.clients[place] = self.solo.enter(&[]);
    }

    fn write_one(&mut self, client: ConnectionId, at: At) {
        let change = self.random.change(&self.model);
        let expected = self.model.change(&change, at);
        self.compare(client, Op::Write(Write::Change(change)), expected);
    }

    fn write_several(&mut self, client: ConnectionId, at: At) {
        let count = 1 + self.random.below(4);
        let changes: Vec<_> = (0..count)
            .map(|_| self.random.change(&self.model))
            .collect();
        let expected = self.model.multi(&changes, at);
        let found = self.solo.ask(client, Op::Write(Write::Multi(changes)));
        let found = found.map_err(|fault| (fault.code, fault.index.unwrap() as usize));
        assert_eq!(found, expected);
    }

    fn read(&mut self, client: ConnectionId) {
        let at = self.random.path(&self.model);
        let (read, expected) = match self.random.below(6) {
            0 => {
                let expected = self.model.get(&at);
                let watch = false;
                (Read::Get { path: at, watch }, expected)
            }
            1 => {
                let expected = self.model.exists(&at);
                let watch = false;
                (Read::Exists { path: at, watch }, expected)
            }
            2 => {
                let after = *self
                    .random
                    .pick(&[None, Some("a"), Some("a-b0000000001"), Some("b")]);
                let page = ChildrenPage {
                    after: after.map(str::to_owned),
                    prefix: (*self.random.pick(&["", "a", "z"])).to_owned(),
                    limit: self.random.below(4) as u32,
                };
                let expected = self.model.children(&at, &page);
                let (path, watch) = (at, false);
                (Read::Children { path, page, watch }, expected)
            }
            3 => (Read::Acl { path: at.clone() }, self.model.acl(&at)),
            4 => (Read::Count { path: at.clone() }, self.model.count(&at)),
            _ => {
                let session = self.solo.session(*self.random.pick(&self.clients));
                let session = (self.random.below(2) == 0).then_some(session);
                let owned = self.model.owned(session, at.as_str());
                let expected = Ok(Outcome::Paths {
                    paths: owned.iter().map(|text| path(text)).collect(),
                    more: false,
                });
                let (under, page) = (at, PathsPage::default());
                let read = Read::Ephemerals {
                    session,
                    under,
                    page,
                };
                (read, expected)
            }
        };
        self.compare(client, Op::Read(read), expected);
    }

    fn compare(
        &mut self,
        client: ConnectionId,
        op: Op,
        expected: Result<Outcome, zareba_model::ErrorCode>,
    ) {
        let shown = format!("{op:?}");
        let found = self.solo.ask(client, op).map_err(|fault| fault.code);
        assert_eq!(found, expected, "{shown}");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_answer_is_the_models() {
    let steps = number("ZAREBA_STEPS").unwrap_or(60_000);
    let seeds = match number("ZAREBA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..steps.div_ceil(STEPS as u64),
    };
    let mut restarts = 0;
    for seed in seeds.clone() {
        let mut run = Run::new(seed);
        let all = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..STEPS {
                run.step();
            }
            assert_eq!(
                run.solo.tree().digest(),
                run.solo.tree().recomputed_digest()
            );
            assert_eq!(run.solo.tree().node_count(), run.model.nodes.len());
        }));
        assert!(
            all.is_ok(),
            "seed {seed}: ZAREBA_SEED={seed} cargo test -p zareba-replica --test kernel property"
        );
        restarts += run.restarts;
    }
    let steps = (seeds.end - seeds.start) * STEPS as u64;
    println!("{steps} steps, {restarts} restarts, every answer the model's");
}
