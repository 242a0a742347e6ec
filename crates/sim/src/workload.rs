//! What clients ask: a small tree that many of them change at once, and a plugin that one of them
//! deploys and all of them call. Knows no protocol.

use bytes::Bytes;
use zareba_model::{
    Acl, Answer, Change, ChildrenPage, CreateMode, Ensemble, Limits, Op, PluginOp, Read, Write,
    ZnodePath,
};

use crate::dice::Dice;
use crate::founding;
use crate::invariants::locks::MOUNT;
use crate::lock_plugin::{REVISIONS, address};

/// What one client is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) calls_percent: u64,
    pub(crate) reads_percent: u64,
    /// This client deploys the plugin.
    pub(crate) deploys: bool,
    /// Out of a hundred requests, how many change the ensemble.
    pub(crate) changes_percent: u64,
    /// Servers that may ever be members.
    pub(crate) places: usize,
}

/// One client's requests.
#[derive(Debug)]
pub(crate) struct Workload {
    plan: Plan,
    /// The step of the deployment it is at.
    step: usize,
    /// That step has been asked for and not answered.
    stepping: bool,
    /// The lock it holds.
    held: Option<&'static str>,
}

const LOCKS: [&str; 3] = ["a", "b", "cursed"];
const NAMES: [&str; 5] = ["/a", "/b", "/c", "/d", "/e"];

impl Workload {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            step: 0,
            stepping: false,
            held: None,
        }
    }

    /// The next request; none if there is nothing to ask now.
    pub(crate) fn next(&mut self, ensemble: &Ensemble, dice: &mut Dice) -> Option<Op> {
        if dice.percent(self.plan.changes_percent) {
            return Some(founding::change(ensemble, self.plan.places, dice));
        }
        if self.plan.deploys && !self.stepping && dice.percent(50) {
            if let Some(step) = deployment().into_iter().nth(self.step) {
                self.stepping = true;
                return Some(Op::Write(Write::Plugin(step)));
            }
            if dice.percent(3) {
                self.step = DEPLOYED + dice.below(4) as usize;
            }
        }
        if dice.percent(self.plan.calls_percent) {
            return Some(self.call(dice));
        }
        if dice.percent(self.plan.reads_percent) {
            return Some(read(dice));
        }
        Some(match dice.below(20) {
            0 => Op::Sync,
            1..=3 => {
                let count = dice.between(1, 4);
                Op::Write(Write::Multi((0..count).map(|_| change(dice)).collect()))
            }
            _ => Op::Write(Write::Change(change(dice))),
        })
    }

    /// What has to be asked before the client may go.
    pub(crate) fn wind_up(&mut self) -> Option<Op> {
        self.held.take().map(|name| call("release", name))
    }

    /// An answer has come.
    pub(crate) fn answered(&mut self, op: &Op, answer: &Answer) {
        match op {
            Op::Write(Write::Plugin(_)) => {
                self.stepping = false;
                if answer.is_ok() {
                    self.step += 1;
                }
            }
            Op::Call { op, input, .. } if op == "acquire" && answer.is_ok() => {
                self.held = LOCKS.into_iter().find(|name| name.as_bytes() == input);
            }
            _ => {}
        }
    }

    /// The session is over, and with it all it held and asked.
    pub(crate) fn session_lost(&mut self) {
        self.held = None;
        self.stepping = false;
    }

    fn call(&mut self, dice: &mut Dice) -> Op {
        if let Some(name) = self.held.filter(|_| dice.percent(40)) {
            self.held = None;
            return call("release", name);
        }
        let name = dice.pick(&LOCKS).unwrap_or("a");
        match dice.below(10) {
            0 => call("release", name),
            1 => call("spoil", name),
            2 => call("trap", name),
            3 => call("holder", name),
            _ => call("acquire", name),
        }
    }
}

fn call(op: &str, name: &'static str) -> Op {
    Op::Call {
        mount: path(MOUNT),
        op: op.to_owned(),
        input: Bytes::from_static(name.as_bytes()),
    }
}

/// How many steps put the first revision to use.
const DEPLOYED: usize = 5;

/// The deployment, step by step; behind [`DEPLOYED`], what may be done again at any time.
fn deployment() -> Vec<PluginOp> {
    let name = || "lock".to_owned();
    let sha256 = |revision: usize| REVISIONS.get(revision).map(|it| address(it));
    let (Some(first), Some(second)) = (sha256(0), sha256(1)) else {
        return Vec::new();
    };
    let [old, new] = REVISIONS;
    let chunk = |sha256, all: &'static [u8], from: usize, to: usize| PluginOp::PushChunk {
        sha256,
        total: all.len() as u64,
        offset: from as u64,
        data: Bytes::from_static(all.get(from..to).unwrap_or(&[])),
    };
    vec![
        chunk(first, old, 0, 5),
        chunk(first, old, 5, old.len()),
        PluginOp::Register {
            name: name(),
            sha256: first,
        },
        PluginOp::Activate {
            name: name(),
            sha256: first,
        },
        PluginOp::Mount {
            name: name(),
            path: path(MOUNT),
            config: std::collections::BTreeMap::new(),
            limits: Limits::default(),
        },
        chunk(second, new, 0, new.len()),
        PluginOp::Register {
            name: name(),
            sha256: second,
        },
        PluginOp::Activate {
            name: name(),
            sha256: second,
        },
        PluginOp::Activate {
            name: name(),
            sha256: first,
        },
    ]
}

fn read(dice: &mut Dice) -> Op {
    let path = any_path(dice);
    let watch = dice.percent(40);
    let read = match dice.below(3) {
        0 => Read::Get { path, watch },
        1 => Read::Exists { path, watch },
        _ => Read::Children {
            path,
            page: ChildrenPage::default(),
            watch,
        },
    };
    match dice.below(8) {
        0 => Op::LinearizableRead(read),
        _ => Op::Read(read),
    }
}

fn change(dice: &mut Dice) -> Change {
    let path = any_path(dice);
    let version = dice.percent(20).then(|| dice.below(3));
    match dice.below(10) {
        0..=3 => Change::Create {
            path,
            data: data(dice),
            mode: dice
                .pick(&[
                    CreateMode::Persistent,
                    CreateMode::Persistent,
                    CreateMode::PersistentSequential,
                    CreateMode::Ephemeral,
                    CreateMode::EphemeralSequential,
                ])
                .unwrap_or_default(),
            acl: Acl::open(),
        },
        4..=6 => Change::Set {
            path,
            data: data(dice),
            version,
        },
        7..=8 => Change::Delete { path, version },
        _ => Change::Check { path, version },
    }
}

fn data(dice: &mut Dice) -> Bytes {
    let length = if dice.once_in(20) { 3_000 } else { 20 };
    Bytes::from(vec![dice.next() as u8; dice.below(length) as usize])
}

fn any_path(dice: &mut Dice) -> ZnodePath {
    let above = dice.pick(&NAMES).unwrap_or("/a");
    if dice.percent(50) {
        return path(above);
    }
    let below = dice.pick(&NAMES).unwrap_or("/a");
    path(&format!("{above}{below}"))
}

fn path(text: &str) -> ZnodePath {
    match ZnodePath::parse(text) {
        Ok(path) => path,
        Err(error) => panic!("the workload's own path {text} must be one: {error}"),
    }
}
