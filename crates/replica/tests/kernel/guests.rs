//! Plugins of a server under test, as functions of the test's own. Must never know WebAssembly.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{
    Limits, Op, OpDescription, Outcome, PluginDescription, PluginOp, Sha256, WatchDescription,
    Write,
};
use zareba_replica::ConnectionId;
use zareba_replica::plugin::{GuestAnswer, GuestFailure, Invocation, PluginRuntime, Ran, Stage};

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
        Ran::free(stage, result)
    }
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

/// Pushes a revision of the plugin "guest", and makes it the active one.
pub(crate) fn activate(solo: &mut Solo, client: ConnectionId, number: u8) {
    let (name, sha256) = (|| "guest".to_owned(), revision(number));
    let steps = [
        PluginOp::PushChunk {
            name: name(),
            sha256,
            total: 1,
            offset: 0,
            data: Bytes::from_static(b"x"),
        },
        PluginOp::Register {
            name: name(),
            sha256,
            signature: None,
        },
        PluginOp::Activate {
            name: name(),
            sha256,
            breaking: false,
        },
    ];
    for step in steps {
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
