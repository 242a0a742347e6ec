//! A mount in memory: transactions with roll-back, sessions that end, calls that wait, alarms that ring when
//! the test says that time has passed. What the kernel does around a plugin, it does alike: a reaction that
//! fails loses only its own effects and is tried again, a plugin that keeps failing is taken out of service.
//! Must never know a plugin.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde_json::Value;

use super::events;
use super::stage::{Budget, Trapped};
use crate::error::{code, refuse};
use crate::{CallId, Caller, Event, Fault, Host, Outcome, Parked, Plugin, SessionId};

/// After so many failures in a row the plugin is out of service, as in a server.
const FAILURES_MAX: u32 = 5;

/// How a call went on.
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    /// Answered.
    Answered(Value),
    /// Parked under this id; see [`MemoryHost::answer`].
    Parked(CallId),
}

#[expect(clippy::panic, reason = "a test's own failure")]
impl Called {
    /// The answer. Panics if the call parked.
    pub fn answer(self) -> Value {
        match self {
            Self::Answered(value) => value,
            Self::Parked(call) => panic!("parked as {call}"),
        }
    }

    /// The parked call's id. Panics if it was answered.
    pub fn parked(self) -> CallId {
        match self {
            Self::Parked(call) => call,
            Self::Answered(value) => panic!("answered {value}"),
        }
    }
}

/// Nodes, sessions and parked calls of one mount.
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    pub(super) state: State,
    pub(super) savepoints: Vec<State>,
    pub(super) transaction: u64,
    pub(super) caller: SessionId,
    pub(super) random: u64,
    pub(super) budget: Budget,
    pub(super) is_query: bool,
    /// The time that calls see, milliseconds.
    pub now: u64,
    /// The mount's config.
    pub config: BTreeMap<String, String>,
    /// What was logged, with its level.
    pub log: Vec<(u8, String)>,
    /// Counters, and the last value of each measurement.
    pub metrics: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<String, NodeState>,
    pub(super) mount: NodeState,
    pub(super) sessions: BTreeSet<SessionId>,
    pub(super) parked: BTreeMap<CallId, ParkedState>,
    pub(super) answers: BTreeMap<CallId, Result<Vec<u8>, Fault>>,
    /// Ids of answered calls, in the order of the answers.
    pub(super) answered: Vec<CallId>,
    pub(super) timers: BTreeMap<String, u64>,
    /// Events that the plugin failed to take, oldest first.
    pub(super) backlog: Vec<Event>,
    pub(super) failures: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct NodeState {
    pub(super) data: Vec<u8>,
    pub(super) owner: SessionId,
    pub(super) czxid: u64,
    pub(super) mzxid: u64,
    pub(super) pzxid: u64,
    pub(super) ctime: u64,
    pub(super) mtime: u64,
    pub(super) version: u64,
    pub(super) cversion: u64,
    pub(super) sequence: u64,
}

#[derive(Clone, Debug)]
pub(super) struct ParkedState {
    pub(super) parked: Parked,
    pub(super) deadline: Option<u64>,
}

/// What clients and operators do, each as one transaction.
#[allow(
    clippy::missing_errors_doc,
    reason = "the plugin's faults, and those of the kernel"
)]
impl MemoryHost {
    /// Opens a session and returns it as a caller.
    pub fn open_session(&mut self) -> Caller {
        self.transaction += 1;
        self.state.sessions.insert(self.transaction);
        Caller {
            session: self.transaction,
            principals: vec!["world:anyone".into()],
            call: 0,
        }
    }

    /// Calls a command with JSON.
    pub fn call<P: Plugin>(
        &mut self,
        who: &Caller,
        op: &str,
        input: Value,
    ) -> Result<Called, Fault> {
        self.command::<P>(who, op, input.to_string().as_bytes())
    }

    /// Calls a command.
    pub fn command<P: Plugin>(
        &mut self,
        who: &Caller,
        op: &str,
        input: &[u8],
    ) -> Result<Called, Fault> {
        if self.is_out_of_service() {
            let why = "the plugin is out of service";
            return Err(refuse(code::PLUGIN_QUARANTINED, why));
        }
        self.transact(who.session, |host| {
            let who = Caller {
                call: host.transaction,
                ..who.clone()
            };
            match P::command(host, &who, op, input)? {
                Outcome::Done(value) => Ok(Called::Answered(parse(&value))),
                Outcome::Park(wait) => {
                    let parked = Parked {
                        id: who.call,
                        session: who.session,
                        op: op.to_owned(),
                        tag: wait.tag,
                        since: host.now,
                    };
                    let deadline = wait.timeout.map(|timeout| host.now.saturating_add(timeout));
                    let parked = ParkedState { parked, deadline };
                    host.state.parked.insert(who.call, parked);
                    Ok(Called::Parked(who.call))
                }
            }
        })
    }

    /// Calls a query with JSON.
    pub fn ask<P: Plugin>(&mut self, who: &Caller, op: &str, input: Value) -> Result<Value, Fault> {
        self.is_query = true;
        let answer = self.run(|host| P::query(host, who, op, input.to_string().as_bytes()));
        self.is_query = false;
        answer.map(|value| parse(&value))
    }

    /// Ends a session: its nodes go, its parked calls are cancelled, and the plugin hears of both in the same
    /// transaction. The fault is the plugin's, if its reaction failed and waits for [`MemoryHost::retry`].
    pub fn end_session<P: Plugin>(&mut self, session: SessionId) -> Result<(), Fault> {
        self.transaction += 1;
        self.state.sessions.remove(&session);
        let owned: Vec<String> = self.paths_of(session);
        let mut happened = Vec::new();
        for path in owned {
            happened.extend(self.drop_node(&path));
        }
        let calls: Vec<CallId> = self.state.parked.keys().copied().collect();
        for call in calls {
            if self
                .state
                .parked
                .get(&call)
                .is_some_and(|it| it.parked.session == session)
            {
                happened.extend(
                    self.state
                        .parked
                        .remove(&call)
                        .map(|it| events::cancelled(it.parked)),
                );
            }
        }
        self.notify::<P>(happened)
    }

    /// Time passes. Parked calls time out and alarms ring when they are due, one transaction each. The fault is
    /// the first of the plugin's.
    pub fn advance<P: Plugin>(&mut self, ms: u64) -> Result<(), Fault> {
        let until = self.now.saturating_add(ms);
        let mut result = Ok(());
        while let Some((due, what)) = self.next_due().filter(|(due, _)| *due <= until) {
            self.now = self.now.max(due);
            self.transaction += 1;
            let event = match what {
                Due::Call(call) => self.time_out(call),
                Due::Timer(tag) => {
                    self.state.timers.remove(&tag);
                    Some(events::timer(tag))
                }
            };
            let told = self.notify::<P>(event.into_iter().collect());
            result = result.and(told);
        }
        self.now = until;
        result
    }

    /// Tells the plugin once more what it failed to take.
    pub fn retry<P: Plugin>(&mut self) -> Result<(), Fault> {
        if self.state.backlog.is_empty() {
            return Ok(());
        }
        let events = std::mem::take(&mut self.state.backlog);
        let told = self.transact(0, |host| P::on_event(host, &events));
        match &told {
            Ok(()) => self.state.failures = 0,
            Err(_) => {
                self.state.backlog = events;
                self.state.failures += 1;
            }
        }
        told
    }

    /// A client deletes a node below the mount by hand.
    pub fn delete_by_hand<P: Plugin>(&mut self, path: &str) -> Result<(), Fault> {
        let children = self.names(path);
        if !children.is_empty() {
            return Err(refuse(code::NOT_EMPTY, format!("{path:?} has children")));
        }
        self.transaction += 1;
        let gone = self.drop_node(path);
        self.notify::<P>(gone.into_iter().collect())
    }

    /// A client sets a node below the mount by hand.
    pub fn set_by_hand<P: Plugin>(&mut self, path: &str, data: &[u8]) -> Result<(), Fault> {
        self.transact(0, |host| host.set(path, data, None))?;
        self.notify::<P>(vec![events::changed(path)])
    }

    /// A client makes a node below the mount by hand, unless it is there. The plugin hears nothing of it.
    pub fn ensure_by_hand(&mut self, path: &str) {
        let made = (self as &mut dyn Host).ensure(path);
        assert!(made.is_ok(), "{path:?} cannot be made: {made:?}");
    }

    /// Lets the run of the plugin that comes next trap at its host call of that number, counted from 1, if it
    /// comes so far.
    pub fn trap_at(&mut self, host_call: u32) {
        self.budget.trap_at = Some(host_call);
    }

    /// What a parked call was answered, if it was.
    pub fn answer(&self, call: CallId) -> Option<Result<Value, Fault>> {
        let answer = self.state.answers.get(&call)?;
        Some(answer.clone().map(|value| parse(&value)))
    }

    /// Ids of parked calls that were answered since this was last asked, in order.
    pub fn take_answered(&mut self) -> Vec<CallId> {
        std::mem::take(&mut self.state.answered)
    }

    /// Calls that still wait.
    pub fn parked(&self) -> Vec<Parked> {
        self.state
            .parked
            .values()
            .map(|it| it.parked.clone())
            .collect()
    }

    /// Every node's path, in order.
    pub fn paths(&self) -> Vec<&str> {
        self.state.nodes.keys().map(String::as_str).collect()
    }

    /// When the next alarm or timeout is due.
    pub fn next_alarm(&self) -> Option<u64> {
        self.next_due().map(|(due, _)| due)
    }

    /// True if events wait for [`MemoryHost::retry`].
    pub fn has_backlog(&self) -> bool {
        !self.state.backlog.is_empty()
    }

    /// True if the plugin has failed so often in a row that only its queries are served.
    pub fn is_out_of_service(&self) -> bool {
        self.state.failures >= FAILURES_MAX
    }

    /// Puts the plugin into service again, as activating a revision does.
    pub fn clear_failures(&mut self) {
        self.state.failures = 0;
    }

    /// A node's data, read as JSON.
    pub fn get_json<T: serde::de::DeserializeOwned>(&mut self, path: &str) -> Result<T, Fault> {
        (self as &mut dyn Host).get_json(path)
    }

    fn next_due(&self) -> Option<(u64, Due)> {
        let calls = self.state.parked.iter();
        let calls = calls.filter_map(|(id, it)| Some((it.deadline?, Due::Call(*id))));
        let timers = self.state.timers.iter();
        let timers = timers.map(|(tag, due)| (*due, Due::Timer(tag.clone())));
        calls.chain(timers).min()
    }

    fn time_out(&mut self, call: CallId) -> Option<Event> {
        let it = self.state.parked.remove(&call)?;
        let fault = refuse(code::OPERATION_TIMEOUT, "waited longer than its timeout");
        self.state.answers.insert(call, Err(fault));
        self.state.answered.push(call);
        Some(events::cancelled(it.parked))
    }

    /// Lets the plugin react inside the transaction of the cause. If it fails, only its own effects are lost.
    pub(super) fn notify<P: Plugin>(&mut self, happened: Vec<Event>) -> Result<(), Fault> {
        let watches = P::describe().watches;
        let events: Vec<Event> = happened
            .into_iter()
            .filter(|it| events::is_wanted(it, &watches))
            .collect();
        if events.is_empty() {
            return Ok(());
        }
        if !self.state.backlog.is_empty() || self.is_out_of_service() {
            self.state.backlog.extend(events);
            return Ok(());
        }
        // The same transaction: the cause's number and time.
        self.transaction -= 1;
        let told = self.transact(0, |host| P::on_event(host, &events));
        if told.is_err() {
            self.state.failures += 1;
            self.state.backlog.extend(events);
        }
        told
    }

    fn transact<T>(
        &mut self,
        caller: SessionId,
        run: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.caller = caller;
        self.transaction += 1;
        self.run(run)
    }

    /// Runs the plugin to its end; nothing of it remains if it fails.
    fn run<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let before = self.state.clone();
        self.savepoints.clear();
        self.budget.begin();
        let result = catch_unwind(AssertUnwindSafe(|| run(self)));
        self.budget.end();
        let result = result.unwrap_or_else(|panic| match panic.downcast::<Trapped>() {
            Ok(trapped) => Err(trapped.fault()),
            Err(panic) => resume_unwind(panic),
        });
        if result.is_err() {
            self.state = before;
        }
        result
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Call(CallId),
    Timer(String),
}

fn parse(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let text = || Value::String(String::from_utf8_lossy(bytes).into_owned());
    serde_json::from_slice(bytes).unwrap_or_else(|_| text())
}
