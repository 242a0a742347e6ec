//! Plugins of a server under test, as functions of the test's own. Must never know WebAssembly.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{
    Limits, Op, OpDescription, Outcome, PluginDescription, PluginOp, Sha256, Signature,
    WatchDescription, Write,
};
use zareba_replica::ConnectionId;
use zareba_replica::plugin::{
    GuestAnswer, GuestEntry, GuestFailure, Invocation, PluginRuntime, Ran, Stage,
};

use super::solo::{Solo, path};

/// What a guest does when it is called.
pub(crate) type Guest = fn(&Invocation, &mut dyn Stage) -> Result<GuestAnswer, GuestFailure>;

/// One guest, whatever revision is called.
pub(crate) struct Guests(pub(crate) Option<Guest>);

impl PluginRuntime for Guests {
    fn is_ready(&self, _: &Sha256) -> bool {
        self.0.is_some()
    }

    fn invoke(&mut self, invocation: &Invocation, mut stage: Box<dyn Stage>) -> Ran {
        let guest = self.0.expect("no plugin is mounted");
        let result = guest(invocation, stage.as_mut());
        let mut ran = Ran::free(stage, result);
        if let GuestEntry::Command { input, .. } = &invocation.entry
            && input.as_ref() == SLOW
        {
            ran.cost.guest_ns = 300_000_000;
        }
        ran
    }
}

/// The input of a command that takes longer than its plugin's share.
pub(crate) const SLOW: &[u8] = b"slow";

/// A revision that has no operation that waits.
pub(crate) const BREAKING: u8 = 99;

/// What a revision says of itself.
pub(crate) fn description_of(sha256: &Sha256) -> PluginDescription {
    let mut description = description();
    if *sha256 == revision(BREAKING) {
        description.ops.retain(|op| op.name != "wait");
    }
    description
}

/// What every guest says of itself: a command, one that parks, and a query.
pub(crate) fn description() -> PluginDescription {
    let op = |name: &str, read_only, may_park| OpDescription {
        name: name.to_owned(),
        read_only,
        may_park,
        ..OpDescription::default()
    };
    PluginDescription {
        ops: vec![
            op("command", false, false),
            op("wait", false, true),
            op("query", true, false),
        ],
        watches: vec![WatchDescription::default()],
        ..PluginDescription::default()
    }
}

/// The address of a revision.
pub(crate) fn revision(number: u8) -> Sha256 {
    Sha256([number; 32])
}

pub(crate) fn plugin(op: PluginOp) -> Op {
    Op::Write(Write::Plugin(op))
}

/// Pushes a component, whole.
pub(crate) fn push(number: u8) -> PluginOp {
    PluginOp::PushChunk {
        name: "guest".to_owned(),
        sha256: revision(number),
        total: 1,
        offset: 0,
        data: Bytes::from_static(b"x"),
    }
}

/// Makes it a revision of the plugin "guest".
pub(crate) fn register(number: u8, signature: Option<Signature>) -> PluginOp {
    PluginOp::Register {
        name: "guest".to_owned(),
        sha256: revision(number),
        signature,
    }
}

/// Makes it the active one.
pub(crate) fn make_active(number: u8, breaking: bool) -> PluginOp {
    PluginOp::Activate {
        name: "guest".to_owned(),
        sha256: revision(number),
        breaking,
    }
}

/// Pushes a revision of the plugin "guest", and makes it the active one.
pub(crate) fn activate(solo: &mut Solo, client: ConnectionId, number: u8) {
    for step in [
        push(number),
        register(number, None),
        make_active(number, false),
    ] {
        assert_eq!(solo.done(client, plugin(step)), Outcome::PluginDone);
    }
}

/// Mounts the active revision.
pub(crate) fn mount(solo: &mut Solo, client: ConnectionId, at: &str) {
    let op = PluginOp::Mount {
        name: "guest".to_owned(),
        path: path(at),
        config: BTreeMap::new(),
        limits: Limits::default(),
    };
    solo.done(client, plugin(op));
}

pub(crate) fn call(at: &str, op: &str) -> Op {
    Op::Call {
        mount: path(at),
        op: op.to_owned(),
        input: Bytes::new(),
    }
}
