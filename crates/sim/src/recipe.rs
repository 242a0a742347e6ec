//! A plugin under test in place of the sample one: what runs in the servers, and a judge that is told, in the
//! order of the transactions, what its clients see. Knows no plugin.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use zareba_model::{
    Answer, Cause, Effect, Fault, Op, Outcome, PluginDescription, SessionId, Txn, Xid, ZnodePath,
};
use zareba_replica::plugin::{GuestAnswer, GuestFailure, Invocation, Stage};
use zareba_tree::{Changes, Tree};

use crate::dice::Dice;
use crate::invariants::locks::MOUNT;

/// What a server runs.
pub trait Guest: fmt::Debug {
    /// What it says of itself.
    fn describe(&self) -> PluginDescription;

    /// One call. All it knows is its stage, and what it does follows from that and the invocation.
    fn run(
        &self,
        invocation: &Invocation,
        stage: &mut dyn Stage,
    ) -> Result<GuestAnswer, GuestFailure>;
}

/// A call that a client makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The operation.
    pub op: String,
    /// Its input.
    pub input: Bytes,
}

/// What a judge is told.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// What follows happens at this transaction time, milliseconds since 1970.
    Time(u64),
    /// A client's call has parked.
    Parked(usize, &'a Call),
    /// A client's call has come to this. Of calls that were refused at once it is not told: nothing happened.
    Answered(usize, &'a Call, Result<&'a Bytes, &'a Fault>),
    /// A client's session is over, and with it all that it had and asked.
    Ended(usize),
    /// The nodes below the mount are these now.
    State(&'a Tree, &'a ZnodePath),
}

/// Who knows what the plugin promises.
pub trait Judge {
    /// What the operator sets for the mount.
    fn config(&mut self, random: u64) -> BTreeMap<String, String>;

    /// What a client calls next; nothing if it would rather wait. It has no other call under way that has
    /// neither parked nor come to anything.
    fn next(&mut self, client: usize, random: u64) -> Option<Call>;

    /// Told what clients see; the error says how the promise is broken.
    fn sees(&mut self, seen: Seen<'_>) -> Result<(), String>;
}

/// A plugin under test.
pub struct Recipe {
    /// What the servers run.
    pub guest: Rc<dyn Guest>,
    /// Who judges it.
    pub judge: Box<dyn Judge>,
}

/// The judge at work.
pub(crate) struct Court {
    judge: RefCell<Box<dyn Judge>>,
    pub(crate) config: BTreeMap<String, String>,
    mount: ZnodePath,
    is_mounted: bool,
    /// Calls that have neither parked nor come to anything, by client; the request once it is one.
    under_way: RefCell<BTreeMap<usize, Option<(SessionId, Xid)>>>,
    calls: BTreeMap<(SessionId, Xid), (usize, Call)>,
    sessions: BTreeMap<SessionId, usize>,
    ended: BTreeSet<SessionId>,
    /// Every request there ever was.
    known: BTreeSet<(SessionId, Xid)>,
}

impl Court {
    pub(crate) fn new(mut judge: Box<dyn Judge>, seed: u64) -> Self {
        let config = judge.config(Dice::new(seed).below(u64::MAX));
        let mount = match ZnodePath::parse(MOUNT) {
            Ok(path) => path,
            Err(error) => panic!("the mount {MOUNT} must be a path: {error}"),
        };
        Self {
            judge: RefCell::new(judge),
            config,
            mount,
            is_mounted: false,
            under_way: RefCell::default(),
            calls: BTreeMap::new(),
            sessions: BTreeMap::new(),
            ended: BTreeSet::new(),
            known: BTreeSet::new(),
        }
    }

    /// What a client asks next.
    pub(crate) fn next(&self, client: usize, dice: &mut Dice) -> Option<Op> {
        let mut under_way = self.under_way.borrow_mut();
        if !self.is_mounted || under_way.contains_key(&client) {
            return None;
        }
        let call = self.judge.borrow_mut().next(client, dice.below(u64::MAX))?;
        under_way.insert(client, None);
        Some(Op::Call {
            mount: self.mount.clone(),
            op: call.op,
            input: call.input,
        })
    }

    /// A client's session has asked that.
    pub(crate) fn asks(&mut self, client: usize, session: SessionId, xid: Xid, op: &Op) {
        let Op::Call { op, input, .. } = op else {
            return;
        };
        let request = (session, xid);
        let mut under_way = self.under_way.borrow_mut();
        if !self.known.insert(request)
            || self.ended.contains(&session)
            || under_way.get(&client) != Some(&None)
        {
            return;
        }
        under_way.insert(client, Some(request));
        self.sessions.insert(session, client);
        let call = Call {
            op: op.clone(),
            input: input.clone(),
        };
        self.calls.insert(request, (client, call));
    }

    /// A client has the answer of a request.
    pub(crate) fn hears(&self, client: usize, request: (SessionId, Xid)) {
        let mut under_way = self.under_way.borrow_mut();
        // Of a refusal nothing is committed: the client asks something else.
        if under_way.get(&client) == Some(&Some(request)) {
            under_way.remove(&client);
        }
    }

    /// A transaction is committed.
    pub(crate) fn commits(
        &mut self,
        txn: &Txn,
        changes: &Changes,
        tree: &Tree,
    ) -> Result<(), String> {
        let mounts =
            |effect: &Effect| matches!(effect, Effect::PutMount(it) if it.path == self.mount);
        self.is_mounted |= txn.effects.iter().any(mounts);
        let judge = self.judge.get_mut();
        judge.sees(Seen::Time(txn.time))?;
        for session in &changes.sessions_closed {
            self.ended.insert(*session);
            self.calls.retain(|(of, _), _| of != session);
            if let Some(client) = self.sessions.remove(session) {
                self.under_way.get_mut().remove(&client);
                judge.sees(Seen::Ended(client))?;
            }
        }
        if let Cause::Request {
            session,
            xid,
            answer,
            ..
        } = &txn.cause
            && let Some((client, call)) = self.calls.get(&(*session, *xid)).cloned()
        {
            self.under_way.get_mut().remove(&client);
            match answer {
                None => judge.sees(Seen::Parked(client, &call))?,
                Some(Ok(Outcome::Called(value))) => {
                    self.calls.remove(&(*session, *xid));
                    judge.sees(Seen::Answered(client, &call, Ok(value)))?;
                }
                Some(_) => {
                    self.calls.remove(&(*session, *xid));
                }
            }
        }
        for (parked, answer) in &changes.calls_ended {
            if let Some((client, call)) = self.calls.remove(&(parked.session, parked.xid)) {
                judge.sees(Seen::Answered(client, &call, value(answer)))?;
            }
        }
        judge.sees(Seen::State(tree, &self.mount))
    }
}

fn value(answer: &Answer) -> Result<&Bytes, &Fault> {
    static NOTHING: Bytes = Bytes::new();
    match answer {
        Ok(Outcome::Called(value)) => Ok(value),
        Ok(_) => Ok(&NOTHING),
        Err(fault) => Err(fault),
    }
}
