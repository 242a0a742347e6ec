//! A fair lock as a native plugin, so that the kernel's side of plugins runs without WebAssembly:
//! calls that park, events, timers, faults and traps behind staged writes.
//!
//! Deterministic: all it knows is its stage. Must never know the replica.

use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use zareba_model::{
    CallId, CreateMode, ErrorCode, Fault, GuestEvent, OpDescription, PluginDescription, SessionId,
    Sha256, WatchDescription,
};
use zareba_replica::plugin::{
    GuestAnswer, GuestEntry, GuestFailure, Invocation, PluginRuntime, Ran, Stage,
};

use crate::recipe::Guest;

/// The lock's revisions: they differ in nothing but their bytes.
pub(crate) const REVISIONS: [&[u8]; 2] = [b"fair lock, first revision", b"fair lock, second one"];

/// A stand-in for the hash that the shell checks.
pub(crate) fn address(component: &[u8]) -> Sha256 {
    let mut bytes = [component.len() as u8; 32];
    for (at, byte) in component.iter().enumerate() {
        if let Some(slot) = bytes.get_mut(at % 32) {
            *slot = slot.wrapping_mul(31).wrapping_add(*byte);
        }
    }
    Sha256(bytes)
}

/// What "compiling" finds; a plugin under test has the lock's components.
pub(crate) fn describe(
    component: &[u8],
    guest: Option<&dyn Guest>,
) -> Result<PluginDescription, String> {
    if !REVISIONS.contains(&component) {
        return Err("this is no lock".to_owned());
    }
    if let Some(guest) = guest {
        return Ok(guest.describe());
    }
    let op = |name: &str, read_only, may_park| OpDescription {
        name: name.to_owned(),
        read_only,
        may_park,
        ..OpDescription::default()
    };
    Ok(PluginDescription {
        state_version: 1,
        ops: vec![
            op("acquire", false, true),
            op("release", false, false),
            op("holder", true, false),
            op("spoil", false, false),
            op("trap", false, false),
        ],
        watches: vec![WatchDescription {
            pattern: "*".to_owned(),
            kinds: 4,
        }],
        ..PluginDescription::default()
    })
}

/// The components one server has compiled.
#[derive(Clone, Debug)]
pub(crate) struct Plugins {
    compiled: BTreeSet<Sha256>,
    /// What runs in place of the lock.
    guest: Option<Rc<dyn Guest>>,
}

impl Plugins {
    pub(crate) fn new(guest: Option<Rc<dyn Guest>>) -> Self {
        let compiled = BTreeSet::new();
        Self { compiled, guest }
    }

    pub(crate) fn install(&mut self, sha256: Sha256) {
        self.compiled.insert(sha256);
    }
}

impl PluginRuntime for Plugins {
    fn is_ready(&self, revision: &Sha256) -> bool {
        self.compiled.contains(revision)
    }

    fn invoke(&mut self, invocation: &Invocation, mut stage: Box<dyn Stage>) -> Ran {
        let result = match &self.guest {
            Some(guest) => guest.run(invocation, stage.as_mut()),
            None => run(invocation, stage.as_mut()),
        };
        Ran::free(stage, result)
    }
}

/// A call parks no longer than this, so that nobody waits for ever.
const PARK_MS: u64 = 1_500;

fn run(invocation: &Invocation, stage: &mut dyn Stage) -> Result<GuestAnswer, GuestFailure> {
    let session = invocation.caller.session;
    match &invocation.entry {
        GuestEntry::Query { input, .. } => {
            let holder = stage.get(&name_of(input)).map(|(token, _)| token);
            Ok(GuestAnswer::Done(holder.unwrap_or_default()))
        }
        GuestEntry::Command { op, input } => command(op, &name_of(input), session, stage),
        GuestEntry::Event(events) => {
            events.iter().try_for_each(|event| react(event, stage))?;
            Ok(GuestAnswer::Done(Bytes::new()))
        }
        GuestEntry::Migrate { .. } => Ok(GuestAnswer::Done(Bytes::new())),
    }
}

fn name_of(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn command(
    op: &str,
    name: &str,
    session: SessionId,
    stage: &mut dyn Stage,
) -> Result<GuestAnswer, GuestFailure> {
    match op {
        "acquire" => acquire(name, session, stage),
        "release" => release(name, session, stage),
        "spoil" => {
            stage_nonsense(name, stage)?;
            let fault = Fault::new(ErrorCode::Plugin(7), "spoilt on purpose");
            Err(GuestFailure::Fault(fault))
        }
        _ => {
            stage_nonsense(name, stage)?;
            let fault = Fault::new(ErrorCode::PluginTrap, "trapped on purpose");
            Err(GuestFailure::Broken(fault))
        }
    }
}

/// Writes of which nothing may remain.
fn stage_nonsense(name: &str, stage: &mut dyn Stage) -> Result<(), GuestFailure> {
    let mode = CreateMode::Persistent;
    let path = format!("nonsense-{name}");
    stage
        .create(&path, Bytes::from_static(b"nonsense"), mode, None)
        .map_err(GuestFailure::Fault)?;
    stage
        .set_timer("nonsense", 5)
        .map_err(GuestFailure::Fault)?;
    Ok(())
}

fn acquire(
    name: &str,
    session: SessionId,
    stage: &mut dyn Stage,
) -> Result<GuestAnswer, GuestFailure> {
    if stage.exists(name).map_err(GuestFailure::Fault)?.is_some() {
        return Ok(GuestAnswer::Park {
            tag: name.to_owned(),
            timeout_ms: Some(PARK_MS),
        });
    }
    let token = grant(name, session, stage)?;
    Ok(GuestAnswer::Done(token))
}

fn grant(name: &str, session: SessionId, stage: &mut dyn Stage) -> Result<Bytes, GuestFailure> {
    let token = Bytes::copy_from_slice(&stage.transaction().to_u64().to_be_bytes());
    stage
        .create(name, token.clone(), CreateMode::Ephemeral, Some(session))
        .map_err(GuestFailure::Fault)?;
    stage
        .set_timer(&format!("held-{name}"), 300)
        .map_err(GuestFailure::Fault)?;
    Ok(token)
}

fn release(
    name: &str,
    session: SessionId,
    stage: &mut dyn Stage,
) -> Result<GuestAnswer, GuestFailure> {
    let node = stage.exists(name).map_err(GuestFailure::Fault)?;
    if node.is_none_or(|stat| stat.lifetime.owner() != session) {
        let fault = Fault::new(ErrorCode::Plugin(1), "you do not hold this lock");
        return Err(GuestFailure::Fault(fault));
    }
    stage.delete(name, None).map_err(GuestFailure::Fault)?;
    grant_next(name, stage)?;
    Ok(GuestAnswer::Done(Bytes::new()))
}

/// Gives a free lock to who has waited longest.
fn grant_next(name: &str, stage: &mut dyn Stage) -> Result<(), GuestFailure> {
    if stage.exists(name).map_err(GuestFailure::Fault)?.is_some() {
        return Ok(());
    }
    let waiting = stage
        .lookup(name, CallId(0), 1)
        .map_err(GuestFailure::Fault)?;
    match waiting.first() {
        Some(call) => {
            let token = grant(name, call.session, stage)?;
            stage
                .complete(call.id, token)
                .map_err(GuestFailure::Fault)?;
        }
        None => stage
            .clear_timer(&format!("held-{name}"))
            .map_err(GuestFailure::Fault)?,
    }
    Ok(())
}

fn react(event: &GuestEvent, stage: &mut dyn Stage) -> Result<(), GuestFailure> {
    match event {
        GuestEvent::Deleted { path, .. } => {
            if path == "cursed" && stage.transaction().counter.is_multiple_of(3) {
                grant_next(path, stage)?;
                let fault = Fault::new(ErrorCode::PluginTrap, "a cursed lock");
                return Err(GuestFailure::Broken(fault));
            }
            grant_next(path, stage)
        }
        GuestEvent::Timer { tag } => {
            let name = tag.strip_prefix("held-").unwrap_or(tag);
            if stage.exists(name).map_err(GuestFailure::Fault)?.is_some() {
                stage.set_timer(tag, 300).map_err(GuestFailure::Fault)?;
            }
            Ok(())
        }
        GuestEvent::Cancelled { .. } | GuestEvent::Created { .. } | GuestEvent::Changed { .. } => {
            Ok(())
        }
    }
}
