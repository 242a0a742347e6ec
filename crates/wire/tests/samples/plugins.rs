//! Samples of what operators ask about plugins and are told, and of its effects.

use bytes::Bytes;
use zareba_model::{
    Effect, Explained, ExplainedAnswer, Fault, GuestCost, GuestMetric, Latency, Limits, MountStats,
    Op, OpStats, Outcome, PluginLogLine, PluginOp, PublisherKey, Publishers, Read, Signature,
};

use super::{SHA, config, data, path};

const KEY: PublisherKey = PublisherKey([9; 32]);

pub(super) fn signature() -> Signature {
    Signature {
        publisher: "ann".to_owned(),
        bytes: Bytes::from_static(&[7; 64]),
    }
}

pub(super) fn ops() -> Vec<(&'static str, PluginOp)> {
    let configure = PluginOp::Configure {
        path: path("/locks"),
        config: config(),
        limits: Limits::default(),
    };
    let pause = PluginOp::Pause {
        path: path("/locks"),
        reason: "moving".to_owned(),
    };
    let resume = PluginOp::Resume {
        path: path("/locks"),
    };
    let clear = PluginOp::ClearQuarantine {
        path: path("/locks"),
        drop_events: true,
    };
    let remove = PluginOp::Remove {
        name: "lock".to_owned(),
        sha256: Some(SHA),
    };
    let publisher = PluginOp::SetPublisher {
        name: "ann".to_owned(),
        key: Some(KEY),
    };
    vec![
        ("configure", configure),
        ("pause", pause),
        ("resume", resume),
        ("clear-quarantine", clear),
        ("remove-plugin", remove),
        ("set-publisher", publisher),
        ("require-signatures", PluginOp::RequireSignatures(true)),
    ]
}

pub(super) fn reads() -> Vec<(&'static str, Op)> {
    let mount = || Some(path("/locks"));
    let explain = Op::Explain {
        mount: path("/locks"),
        op: "acquire".to_owned(),
        input: data(),
    };
    let stats = Read::PluginStats { mount: mount() };
    let log = Read::PluginLog {
        mount: mount(),
        after: 300,
    };
    vec![
        ("explain", explain),
        ("plugin-stats", Op::Read(stats)),
        ("plugin-log", Op::Read(log)),
    ]
}

pub(super) fn answers() -> Vec<(&'static str, Result<Outcome, Fault>)> {
    let cost = GuestCost {
        instantiate_ns: 9_000,
        guest_ns: 3_000,
        host_ns: Some(700),
        host_calls: 5,
        changes: 2,
        bytes: 300,
        memory_bytes: 1 << 20,
    };
    let explained = |answer| Explained {
        answer: Ok(answer),
        effects: vec![Effect::DeleteNode { path: path("/a") }],
        cost,
        log: vec![(3, "taken".to_owned())],
    };
    let parks = ExplainedAnswer::Parks {
        tag: "db".to_owned(),
        timeout_ms: Some(1_000),
    };
    let line = PluginLogLine {
        number: 300,
        time: 1_700_000_000_000,
        mount: path("/locks"),
        level: 3,
        text: "taken".to_owned(),
    };
    let explain = |answer| Ok(Outcome::Explained(Box::new(explained(answer))));
    vec![
        ("explained", explain(ExplainedAnswer::Done(data()))),
        ("explained-parks", explain(parks)),
        ("plugin-stats", Ok(Outcome::PluginStats(vec![stats()]))),
        (
            "plugin-log",
            Ok(Outcome::PluginLog {
                lines: vec![line],
                last: 301,
            }),
        ),
    ]
}

fn stats() -> MountStats {
    let latency = |ns| {
        let mut latency = Latency::default();
        latency.add(ns);
        latency
    };
    let op = OpStats {
        op: "acquire".to_owned(),
        calls: 5,
        parked: 1,
        faults: [(2, 1)].into(),
        traps: [(-204, 1)].into(),
        queue: latency(0),
        instantiate: latency(9_000),
        guest: latency(3_000),
        host: latency(700),
        commit: latency(400_000),
        host_calls: 25,
        changes: 10,
        bytes: 1_500,
        memory_bytes_max: 1 << 20,
    };
    let metric = GuestMetric {
        name: "grants".to_owned(),
        times: 2,
        sum: 2.5,
        last: 0.5,
    };
    MountStats {
        mount: path("/locks"),
        plugin: "lock".to_owned(),
        revision: SHA,
        ready: true,
        parked: 1,
        oldest_parked: Some(1_700_000_000_000),
        time: 1_700_000_000_500,
        throttled: 3,
        ops: vec![op],
        metrics: vec![metric],
    }
}

pub(super) fn effects() -> Vec<(&'static str, Effect)> {
    let name = || "lock".to_owned();
    let remove_revision = Effect::RemoveRevision {
        name: name(),
        sha256: SHA,
    };
    let publishers = Effect::SetPublishers(Publishers {
        required: true,
        keys: [("ann".to_owned(), KEY)].into(),
    });
    vec![
        ("remove-revision", remove_revision),
        ("remove-plugin", Effect::RemovePlugin { name: name() }),
        ("remove-component", Effect::RemoveComponent { sha256: SHA }),
        ("set-publishers", publishers),
    ]
}
