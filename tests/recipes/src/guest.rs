//! A plugin of the SDK as the simulator's guest. Once in a while it traps at some call of the host, as its
//! seed says. Must never know what it runs.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use zareba_guest_sdk::{Caller, Event, Fault as GuestFault, Outcome, Plugin, Watch};
use zareba_model::{
    ErrorCode, Fault, GuestEvent, OpDescription, PluginDescription, WatchDescription,
};
use zareba_replica::plugin::{GuestAnswer, GuestEntry, GuestFailure, Invocation, Stage};
use zareba_sim::Guest;

use crate::stage::{StagedHost, Trap};

/// A plugin, run natively.
#[derive(Debug)]
pub struct Native<P>(PhantomData<P>);

impl<P> Default for Native<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// One run in so many traps.
const TRAPS_ONE_IN: u64 = 12;

impl<P: Plugin + std::fmt::Debug> Guest for Native<P> {
    fn describe(&self) -> PluginDescription {
        let description = P::describe();
        let op = |op: zareba_guest_sdk::OpInfo| OpDescription {
            name: op.name,
            read_only: op.read_only,
            may_park: op.may_park,
            doc: op.doc,
            input: op.input,
            output: op.output,
        };
        let watch = |watch: zareba_guest_sdk::WatchInfo| WatchDescription {
            pattern: watch.pattern,
            kinds: watch.kinds,
        };
        PluginDescription {
            state_version: description.state_version,
            doc: description.doc,
            ops: description.ops.into_iter().map(op).collect(),
            watches: description.watches.into_iter().map(watch).collect(),
        }
    }

    fn run(
        &self,
        invocation: &Invocation,
        stage: &mut dyn Stage,
    ) -> Result<GuestAnswer, GuestFailure> {
        let traps = invocation.seed.is_multiple_of(TRAPS_ONE_IN);
        let trap_at = traps.then_some((invocation.seed / TRAPS_ONE_IN) % 20 + 1);
        let mut host = StagedHost::new(stage, invocation.seed, trap_at);
        let run = AssertUnwindSafe(|| enter::<P>(&mut host, invocation));
        match catch_unwind(run) {
            Ok(result) => result.map_err(|fault| GuestFailure::Fault(refusal(fault))),
            Err(panic) if panic.is::<Trap>() => {
                let fault = Fault::new(ErrorCode::PluginTrap, "trapped on purpose");
                Err(GuestFailure::Broken(fault))
            }
            Err(panic) => resume_unwind(panic),
        }
    }
}

fn enter<P: Plugin>(
    host: &mut StagedHost<'_>,
    invocation: &Invocation,
) -> Result<GuestAnswer, GuestFault> {
    let principals = invocation.caller.principals.iter();
    let who = Caller {
        session: invocation.caller.session.0,
        principals: principals
            .map(|it| format!("{}:{}", it.scheme, it.id))
            .collect(),
        call: invocation.caller.call.0,
    };
    let done = |value: Vec<u8>| GuestAnswer::Done(value.into());
    match &invocation.entry {
        GuestEntry::Query { op, input } => P::query(host, &who, op, input).map(done),
        GuestEntry::Command { op, input } => match P::command(host, &who, op, input)? {
            Outcome::Done(value) => Ok(done(value)),
            Outcome::Park(wait) => Ok(GuestAnswer::Park {
                tag: wait.tag,
                timeout_ms: wait.timeout,
            }),
        },
        GuestEntry::Event(events) => {
            let events: Vec<Event> = events.iter().map(event).collect();
            P::on_event(host, &events).map(|()| done(Vec::new()))
        }
        GuestEntry::Migrate { stored } => P::migrate(host, *stored).map(|()| done(Vec::new())),
    }
}

fn event(event: &GuestEvent) -> Event {
    let mut made = Event {
        kind: 0,
        path: String::new(),
        session: 0,
        call: 0,
        tag: String::new(),
        data: Vec::new(),
    };
    match event {
        GuestEvent::Created { path } => (made.kind, made.path) = (Watch::CREATED, path.clone()),
        GuestEvent::Changed { path } => (made.kind, made.path) = (Watch::CHANGED, path.clone()),
        GuestEvent::Deleted {
            path,
            session,
            data,
        } => {
            (made.kind, made.path) = (Watch::DELETED, path.clone());
            (made.session, made.data) = (session.0, data.to_vec());
        }
        GuestEvent::Cancelled { call, session, tag } => {
            (made.kind, made.call) = (Watch::CANCELLED, call.0);
            (made.session, made.tag) = (session.0, tag.clone());
        }
        GuestEvent::Timer { tag } => (made.kind, made.tag) = (Watch::TIMER, tag.clone()),
    }
    made
}

fn refusal(fault: GuestFault) -> Fault {
    Fault::new(ErrorCode::from_number(fault.code), fault.message)
}
