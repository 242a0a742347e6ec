//! Looks for a course of events that breaks a plugin's promise: clients call, lose their patience and
//! their sessions, leaders die and guests trap at any call of the host, time jumps. Every course comes from
//! one seed. Must never know a recipe.
//!
//! A test hands a [`Promise`] to [`check`]. What is told to the promise comes in the order of the transactions,
//! which is the one order there is: a session's end before what it brings others, a call's own answer before
//! the answers that it brings others.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Called, Dice, MemoryHost};
use crate::error::code;
use crate::{CallId, Caller, Fault, Host, Parked, Plugin};

/// A call that a client makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The operation.
    pub op: &'static str,
    /// Its input.
    pub input: Value,
}

impl Ask {
    /// A call.
    pub fn new(op: &'static str, input: Value) -> Self {
        Self { op, input }
    }
}

/// What a recipe promises, as a model that is told what its clients see.
pub trait Promise: Default {
    /// Who promises it.
    type Plugin: Plugin;

    /// How many clients there are.
    const CLIENTS: usize = 4;

    /// What the operator sets for the mount.
    fn config(&mut self, dice: &mut Dice) -> BTreeMap<String, String> {
        let _ = dice;
        BTreeMap::new()
    }

    /// What a client calls next; nothing if it would rather wait.
    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask>;

    /// A client's call has parked.
    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        let _ = (client, ask);
        Ok(())
    }

    /// A client's call is answered.
    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String>;

    /// A client's session is over; from now on it has another one. Its parked calls are gone.
    fn ended(&mut self, client: usize) -> Result<(), String>;

    /// What happens from here on happens at this time, milliseconds since 1970.
    fn time(&mut self, now: u64) -> Result<(), String> {
        let _ = now;
        Ok(())
    }

    /// After every transaction: what must hold of the nodes.
    fn check(&mut self, host: &mut dyn Host) -> Result<(), String> {
        let _ = host;
        Ok(())
    }

    /// Nothing goes wrong any more and every event is taken: who could be served must have been.
    fn settled(&mut self, host: &mut dyn Host, parked: &[Parked]) -> Result<(), String>;
}

/// Steps of one course.
const STEPS: u32 = 150;

/// Courses of one test, unless the environment says how many.
const SEEDS: u64 = 300;

/// Runs many courses and panics with the first that breaks the promise. `ZAREBA_SEEDS` is how many;
/// `ZAREBA_SEED` is the one to run again, with its steps.
#[expect(clippy::panic, reason = "the test's own failure")]
#[allow(clippy::print_stderr, reason = "a test's own report")]
pub fn check<P: Promise>() {
    if let Some(seed) = number_of("ZAREBA_SEED") {
        let (steps, result) = course::<P>(seed);
        steps.iter().for_each(|step| eprintln!("{step}"));
        result.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        return;
    }
    for seed in 0..number_of("ZAREBA_SEEDS").unwrap_or(SEEDS) {
        let (steps, result) = course::<P>(seed);
        if let Err(why) = result {
            let last = steps.len().saturating_sub(40);
            let steps = steps.get(last..).unwrap_or_default().join("\n");
            panic!("{steps}\nseed {seed}: {why}\nagain, whole: ZAREBA_SEED={seed} and this test");
        }
    }
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// One course: its steps, and how it ended.
pub fn course<P: Promise>(seed: u64) -> (Vec<String>, Result<(), String>) {
    let mut course = Course::<P>::new(seed);
    let result = course.run();
    (course.steps, result)
}

struct Course<P: Promise> {
    promise: P,
    host: MemoryHost,
    dice: Dice,
    clients: Vec<Caller>,
    /// Who waits for which call.
    waiting: BTreeMap<CallId, (usize, Ask)>,
    steps: Vec<String>,
    /// How often a run of the plugin is made to fail: once in so many.
    trap_in: u64,
    has_trapped: bool,
}

impl<P: Promise> Course<P> {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut host = MemoryHost::default();
        let mut promise = P::default();
        host.now = 1_700_000_000_000;
        host.config = promise.config(&mut dice);
        let clients = (0..P::CLIENTS).map(|_| host.open_session()).collect();
        // Some courses are calm, some are not.
        let trap_in = *dice.pick(&[4, 20, 1_000_000]);
        Self {
            promise,
            host,
            dice,
            clients,
            waiting: BTreeMap::new(),
            steps: Vec::new(),
            trap_in,
            has_trapped: false,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.promise.time(self.host.now)?;
        let ends_in = *self.dice.pick(&[8, 30, 1_000_000]);
        for _ in 0..STEPS {
            self.trap_sometimes();
            match self.dice.below(12) {
                0 if self.dice.once_in(ends_in.min(8)) => self.end_a_session()?,
                1 => self.pass_time()?,
                2 => self.retry()?,
                _ if self.dice.once_in(ends_in) => self.end_a_session()?,
                _ => self.call()?,
            }
            self.promise.check(&mut self.host)?;
        }
        self.settle()
    }

    fn call(&mut self) -> Result<(), String> {
        let client = self.dice.below(self.clients.len() as u64) as usize;
        let Some(ask) = self.promise.next(client, &mut self.dice) else {
            return Ok(());
        };
        let Some(who) = self.clients.get(client).cloned() else {
            return Ok(());
        };
        let is_query = P::Plugin::describe()
            .ops
            .iter()
            .any(|op| op.name == ask.op && op.read_only);
        let mut answer = self.once(&who, &ask, is_query);
        let is_trap = |answer: &Result<Called, Fault>| {
            answer
                .as_ref()
                .is_err_and(|fault| fault.code == code::PLUGIN_TRAP)
        };
        if is_trap(&answer) && self.dice.once_in(2) {
            // A leader died, not the guest: its successor runs the same request.
            self.step(format!(
                "client {client}: the leader dies in {} {}",
                ask.op, ask.input
            ));
            answer = self.once(&who, &ask, is_query);
        }
        self.step(format!(
            "client {client}: {} {} -> {}",
            ask.op,
            ask.input,
            told(&answer)
        ));
        match answer {
            Ok(Called::Parked(call)) => {
                self.promise.parked(client, &ask)?;
                self.waiting.insert(call, (client, ask));
            }
            Ok(Called::Answered(value)) => self.promise.answered(client, &ask, &Ok(value))?,
            // Of what trapped, or met a plugin out of service, nothing has happened.
            Err(fault) if matches!(fault.code, code::PLUGIN_TRAP | code::PLUGIN_QUARANTINED) => {}
            Err(fault) => self.promise.answered(client, &ask, &Err(fault))?,
        }
        self.tell()
    }

    fn once(&mut self, who: &Caller, ask: &Ask, is_query: bool) -> Result<Called, Fault> {
        if is_query {
            let answer = self.host.ask::<P::Plugin>(who, ask.op, ask.input.clone());
            return answer.map(Called::Answered);
        }
        self.host.call::<P::Plugin>(who, ask.op, ask.input.clone())
    }

    fn end_a_session(&mut self) -> Result<(), String> {
        let client = self.dice.below(self.clients.len() as u64) as usize;
        let Some(who) = self.clients.get_mut(client) else {
            return Ok(());
        };
        let session = who.session;
        *who = self.host.open_session();
        self.waiting.retain(|_, (waiting, _)| *waiting != client);
        let told = self.host.end_session::<P::Plugin>(session);
        self.step(format!(
            "client {client}: session {session} ends{}",
            suffix(&told)
        ));
        self.allow(told)?;
        self.promise.ended(client)?;
        self.tell()
    }

    fn pass_time(&mut self) -> Result<(), String> {
        let ms = match self.dice.below(3) {
            0 => self.dice.below(20),
            1 => self.dice.below(500),
            // As far as something happens.
            _ => match self.host.next_alarm() {
                Some(due) => due.saturating_sub(self.host.now),
                None => self.dice.below(5_000),
            },
        };
        let until = self.host.now + ms;
        self.step(format!("{ms} ms pass"));
        // Step by step, so that the promise hears of each thing at its time.
        loop {
            let due = self.host.next_alarm().filter(|due| *due <= until);
            let step = due.unwrap_or(until).saturating_sub(self.host.now);
            self.promise.time(self.host.now + step)?;
            let told = self.host.advance::<P::Plugin>(step);
            if let Err(fault) = &told {
                self.step(format!("the plugin's reaction fails: {}", fault.message));
            }
            self.allow(told)?;
            self.tell()?;
            if due.is_none() {
                return Ok(());
            }
        }
    }

    fn retry(&mut self) -> Result<(), String> {
        if !self.host.has_backlog() {
            return Ok(());
        }
        self.host.clear_failures();
        let told = self.host.retry::<P::Plugin>();
        self.step(format!("events are told again{}", suffix(&told)));
        self.allow(told)?;
        self.tell()
    }

    /// Faults end; whatever waits to be told is told; what is due at once happens.
    fn settle(&mut self) -> Result<(), String> {
        self.steps.push("all is calm".into());
        self.trap_in = 1_000_000;
        self.host.trap_at(u32::MAX);
        for _ in 0..4 {
            self.host.clear_failures();
            self.retry()?;
            let told = self.host.advance::<P::Plugin>(0);
            self.allow(told)?;
            self.tell()?;
        }
        self.promise.check(&mut self.host)?;
        let parked = self.host.parked();
        self.promise.settled(&mut self.host, &parked)
    }

    /// Tells the promise which parked calls are answered.
    fn tell(&mut self) -> Result<(), String> {
        for call in self.host.take_answered() {
            // A session that is over hears nothing.
            let Some((client, ask)) = self.waiting.remove(&call) else {
                continue;
            };
            let answer = self
                .host
                .answer(call)
                .ok_or("an answer without an answer")?;
            self.step(format!(
                "client {client}: {} {} is answered {answer:?}",
                ask.op, ask.input
            ));
            self.promise.answered(client, &ask, &answer)?;
        }
        Ok(())
    }

    /// A reaction may fail only because it was made to.
    fn allow(&mut self, told: Result<(), Fault>) -> Result<(), String> {
        match told {
            Err(fault) if !self.has_trapped || fault.code != code::PLUGIN_TRAP => {
                Err(format!("the plugin failed in an event: {fault:?}"))
            }
            _ => Ok(()),
        }
    }

    fn trap_sometimes(&mut self) {
        if self.dice.once_in(self.trap_in) {
            let host_call = self.dice.below(16) + 1;
            self.host.trap_at(host_call as u32);
            self.has_trapped = true;
        }
    }

    fn step(&mut self, step: String) {
        self.steps
            .push(format!("{:>5} {step}", self.host.transaction()));
    }
}

fn told(answer: &Result<Called, Fault>) -> String {
    match answer {
        Ok(Called::Answered(value)) => value.to_string(),
        Ok(Called::Parked(call)) => format!("parks as {call}"),
        Err(fault) => format!("fault {} {}", fault.code, fault.message),
    }
}

fn suffix(told: &Result<(), Fault>) -> String {
    match told {
        Ok(()) => String::new(),
        Err(fault) => format!("; the plugin's reaction fails: {}", fault.message),
    }
}
