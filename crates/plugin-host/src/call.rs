//! One invocation: the entry's input into the guest, the guest's answer or failure out. Must never
//! know where an instance comes from.

use bytes::Bytes;
use wasmtime::{Trap, WasmBacktrace};
use zareba_model::{ErrorCode, Fault, Limits};
use zareba_replica::plugin::{
    Caller, GuestAnswer, GuestEntry, GuestEvent, GuestFailure, Invocation, Stage,
};

use crate::bindings::exports::zareba::plugin::guest;
use crate::bindings::zareba::plugin::types;
use crate::clock::Allowance;
use crate::instance::Instance;
use crate::limits::{Budget, MemoryBound, Stop};

/// Longest message of a guest's fault, bytes.
const FAULT_BYTES_MAX: usize = 4096;
/// Longest tag of a parked call, bytes: it is an index key.
const TAG_BYTES_MAX: usize = 1024;
/// Functions of a guest named after a trap.
const FRAMES_MAX: usize = 8;
/// Longest such name, bytes.
const NAME_BYTES_MAX: usize = 120;

/// What the host knows while a guest runs: the store's data.
pub(crate) struct Call {
    /// Lent for the call; absent while a guest describes itself or rests.
    pub(crate) stage: Option<Box<dyn Stage>>,
    pub(crate) mode: Mode,
    pub(crate) budget: Budget,
    pub(crate) memory: MemoryBound,
    pub(crate) allowance: Allowance,
    pub(crate) metrics: Vec<(String, f64)>,
    /// The guest's last line at level error: what a panic said.
    pub(crate) last_words: Option<String>,
    /// Nanoseconds in host calls, if they are measured.
    pub(crate) host_ns: Option<u64>,
    random: u64,
}

/// What a guest may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing at all.
    Describe,
    /// Read.
    Query,
    /// Read and stage.
    Write,
}

impl Call {
    /// For a guest that describes itself.
    pub(crate) fn describing(limits: Limits) -> Self {
        Self {
            stage: None,
            mode: Mode::Describe,
            budget: Budget::new(limits),
            memory: MemoryBound {
                bytes_max: limits.memory_bytes_max,
                bytes: 0,
            },
            allowance: Allowance::new(limits.time_ms_max),
            metrics: Vec::new(),
            last_words: None,
            host_ns: None,
            random: 0,
        }
    }

    /// For an invocation.
    pub(crate) fn new(invocation: &Invocation, stage: Box<dyn Stage>) -> Self {
        Self {
            stage: Some(stage),
            mode: match invocation.entry {
                GuestEntry::Query { .. } => Mode::Query,
                _ => Mode::Write,
            },
            random: invocation.seed,
            ..Self::describing(invocation.limits)
        }
    }

    pub(crate) fn stage_ref(&self) -> Result<&dyn Stage, Stop> {
        self.stage.as_deref().ok_or(Stop::Describing)
    }

    /// splitmix64: every seed gives a good stream, and a call starts with no set-up.
    pub(crate) fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Runs the entry. The outer error is a trap, after which the instance must not be entered again.
pub(crate) fn enter(
    instance: &mut Instance,
    invocation: &Invocation,
) -> wasmtime::Result<Result<GuestAnswer, GuestFailure>> {
    let who = caller(&invocation.caller);
    let Instance { store, bindings } = instance;
    let guest = bindings.zareba_plugin_guest();
    let answer = match &invocation.entry {
        GuestEntry::Query { op, input } => guest.call_query(store, &who, op, input)?.map(done),
        GuestEntry::Command { op, input } => {
            guest
                .call_command(store, &who, op, input)?
                .map(|outcome| match outcome {
                    guest::Outcome::Done(value) => done(value),
                    guest::Outcome::Park(wait) => GuestAnswer::Park {
                        tag: wait.tag,
                        timeout_ms: wait.timeout,
                    },
                })
        }
        GuestEntry::Event(events) => {
            let events: Vec<guest::Event> = events.iter().map(event).collect();
            guest.call_on_event(store, &events)?.map(|()| nothing())
        }
        GuestEntry::Migrate { stored } => guest.call_migrate(store, *stored)?.map(|()| nothing()),
    };
    Ok(answer.map_err(refusal))
}

/// Bounds on the answer itself: it is kept in replicated state until its caller has it.
pub(crate) fn check_answer(answer: &GuestAnswer, limits: &Limits) -> Result<(), GuestFailure> {
    let (what, used, max) = match answer {
        GuestAnswer::Done(value) => ("answer", value.len(), limits.bytes_max as usize),
        GuestAnswer::Park { tag, .. } => ("tag", tag.len(), TAG_BYTES_MAX),
    };
    if used > max {
        let max = max as u64;
        let stop = Stop::Over { what, max };
        let message = format!("the guest {stop}{}", stop.advice());
        return Err(broken(ErrorCode::PluginLimit, message));
    }
    Ok(())
}

/// What a trap is called.
pub(crate) fn classify(
    error: &wasmtime::Error,
    limits: &Limits,
    last_words: Option<String>,
) -> GuestFailure {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        let message = format!("the guest {stop}{}", stop.advice());
        return broken(ErrorCode::PluginLimit, message);
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::Interrupt) {
        let max = u64::from(limits.time_ms_max);
        let stop = Stop::Over { what: "time", max };
        let message = format!("the guest {stop} ms{}{}", place(error), stop.advice());
        return broken(ErrorCode::PluginDeadline, message);
    }
    let what = match (last_words, trap) {
        (Some(words), _) => words,
        (None, Some(trap)) => trap.to_string(),
        (None, None) => error.root_cause().to_string(),
    };
    let message = format!("the guest trapped: {what}{}", place(error));
    broken(ErrorCode::PluginTrap, cut(message, FAULT_BYTES_MAX))
}

/// Shortens a text to so many bytes, between two characters.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
    }
    text
}

fn broken(code: ErrorCode, message: String) -> GuestFailure {
    GuestFailure::Broken(Fault::new(code, message))
}

fn refusal(fault: types::Fault) -> GuestFailure {
    let message = cut(fault.message, FAULT_BYTES_MAX);
    GuestFailure::Fault(Fault::new(ErrorCode::from_number(fault.code), message))
}

/// The innermost functions, if the component has kept their names.
fn place(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let named = backtrace.frames().iter().filter_map(|f| f.func_name());
    let names: Vec<String> = named
        .take(FRAMES_MAX)
        .map(|name| cut(name.to_owned(), NAME_BYTES_MAX))
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" (in {})", names.join(" < "))
}

fn done(value: Vec<u8>) -> GuestAnswer {
    GuestAnswer::Done(value.into())
}

fn nothing() -> GuestAnswer {
    GuestAnswer::Done(Bytes::new())
}

fn caller(caller: &Caller) -> guest::Caller {
    let principals = caller.principals.iter();
    guest::Caller {
        session: caller.session.0,
        principals: principals
            .map(|p| format!("{}:{}", p.scheme, p.id))
            .collect(),
        call: caller.call.0,
    }
}

/// The numbers are the contract's, in `/wit/guest.wit`.
fn event(event: &GuestEvent) -> guest::Event {
    let mut made = guest::Event {
        kind: 0,
        path: String::new(),
        session: 0,
        call: 0,
        tag: String::new(),
        data: Vec::new(),
    };
    match event {
        GuestEvent::Created { path } => {
            made.kind = 1;
            made.path.clone_from(path);
        }
        GuestEvent::Changed { path } => {
            made.kind = 2;
            made.path.clone_from(path);
        }
        GuestEvent::Deleted {
            path,
            session,
            data,
        } => {
            made.kind = 4;
            made.path.clone_from(path);
            made.session = session.0;
            made.data = data.to_vec();
        }
        GuestEvent::Cancelled { call, session, tag } => {
            made.kind = 8;
            made.call = call.0;
            made.session = session.0;
            made.tag.clone_from(tag);
        }
        GuestEvent::Timer { tag } => {
            made.kind = 16;
            made.tag.clone_from(tag);
        }
    }
    made
}
