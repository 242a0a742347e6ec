//! What clients ask: a small tree that many of them change at once, and a plugin that one of them
//! deploys and all of them call. Knows no protocol.

pub(crate) mod kernel;

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{Answer, Ensemble, Limits, Op, PluginOp, Write, ZnodePath, Zxid};
use zareba_tree::Tree;

use crate::dice::Dice;
use crate::founding;
use crate::identity;
use crate::invariants::locks::MOUNT;
use crate::invariants::watches::Watches;
use crate::lock_plugin::{REVISIONS, address};
use crate::recipe::Court;

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
    /// What kind of session it begins with.
    pub(crate) style: Style,
}

/// How a client enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// With a session of the ensemble.
    Full,
    /// With a session of its server alone: also while nobody leads, or not; and it may become one of
    /// the ensemble later, or not.
    Local { read_only: bool, upgrades: bool },
}

/// What a client can see that asks.
pub(crate) struct View<'a> {
    pub(crate) ensemble: &'a Ensemble,
    pub(crate) tree: &'a Tree,
    pub(crate) watches: &'a Watches,
    /// It has heard of all that happened up to here.
    pub(crate) whole: Zxid,
    /// Its session is its server's own.
    pub(crate) is_local: bool,
    /// Which client it is.
    pub(crate) client: usize,
    /// Who says what is asked of a plugin under test.
    pub(crate) court: Option<&'a Court>,
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
    pub(crate) fn next(&mut self, view: &View<'_>, dice: &mut Dice) -> Option<Op> {
        if dice.once_in(50) {
            let name = dice.pick(&identity::NAMES).unwrap_or("ann");
            return Some(Op::Authenticate(identity::claim(name, dice.percent(70))));
        }
        if view.is_local && !dice.once_in(20) {
            return Some(match dice.below(20) {
                0 => Op::Sync,
                _ => kernel::read(view, dice),
            });
        }
        if dice.percent(self.plan.changes_percent) {
            return Some(founding::change(view.ensemble, self.plan.places, dice));
        }
        if self.plan.deploys && !self.stepping && dice.percent(50) {
            let config = view.court.map(|court| court.config.clone());
            let steps = deployment(config.unwrap_or_default());
            if let Some(step) = steps.into_iter().nth(self.step) {
                self.stepping = true;
                return Some(Op::Write(Write::Plugin(step)));
            }
            if dice.percent(3) {
                self.step = DEPLOYED + dice.below(4) as usize;
            }
        }
        if dice.percent(self.plan.calls_percent) {
            return match view.court {
                // A server's own session goes by another name once it is one of the ensemble.
                Some(_) if view.is_local => None,
                Some(court) => court.next(view.client, dice),
                None => Some(self.call(dice)),
            };
        }
        if dice.percent(self.plan.reads_percent) {
            return Some(kernel::read(view, dice));
        }
        Some(match dice.below(20) {
            0 => Op::Sync,
            _ => kernel::write(view, dice),
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
fn deployment(config: BTreeMap<String, String>) -> Vec<PluginOp> {
    let name = || "lock".to_owned();
    let sha256 = |revision: usize| REVISIONS.get(revision).map(|it| address(it));
    let (Some(first), Some(second)) = (sha256(0), sha256(1)) else {
        return Vec::new();
    };
    let [old, new] = REVISIONS;
    let chunk = |sha256, all: &'static [u8], from: usize, to: usize| PluginOp::PushChunk {
        name: name(),
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
            signature: None,
        },
        PluginOp::Activate {
            name: name(),
            sha256: first,
            breaking: false,
        },
        PluginOp::Mount {
            name: name(),
            path: path(MOUNT),
            config,
            limits: Limits::default(),
        },
        chunk(second, new, 0, new.len()),
        PluginOp::Register {
            name: name(),
            sha256: second,
            signature: None,
        },
        PluginOp::Activate {
            name: name(),
            sha256: second,
            breaking: true,
        },
        PluginOp::Activate {
            name: name(),
            sha256: first,
            breaking: true,
        },
    ]
}

fn path(text: &str) -> ZnodePath {
    match ZnodePath::parse(text) {
        Ok(path) => path,
        Err(error) => panic!("the workload's own path {text} must be one: {error}"),
    }
}
