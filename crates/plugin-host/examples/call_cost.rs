//! Prints what a call costs, fresh and warm: `cargo run --release -p zareba-plugin-host --example
//! call_cost`. Says nothing of queueing, commit or network.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    reason = "a measuring program: it prints, it reads the clock, and it may stop at the first surprise"
)]

#[path = "../tests/guests/stage.rs"]
mod stage;

use std::time::Instant;

use bytes::Bytes;
use stage::MemoryStage;
use zareba_model::{CallId, Limits, SessionId, Sha256};
use zareba_plugin_host::{CompileLimits, PluginEngine, PluginHost, compile};
use zareba_replica::plugin::{Caller, GuestEntry, Invocation, PluginRuntime, Stage};

const REVISION: Sha256 = Sha256([7; 32]);
const ROUNDS: usize = 20_000;

fn main() {
    let engine = PluginEngine::new().unwrap();
    println!("pooled: {}", engine.is_pooled());
    let lock = std::fs::read("plugins/dist/lock.wasm").unwrap();
    let fixtures = std::fs::read("tests/guests/dist/fixtures.wasm").unwrap();
    for (name, component) in [("lock", &lock), ("fixtures", &fixtures)] {
        let start = Instant::now();
        compile(&engine, component, &CompileLimits::default()).unwrap();
        println!("compile {name}: {:?}", start.elapsed());
    }
    let name = r#"{"name":"db"}"#;
    for warm in [false, true] {
        let how = if warm { "warm" } else { "fresh" };
        measure(&engine, how, warm, &fixtures, &[("echo", "x")]);
        measure(
            &engine,
            how,
            warm,
            &lock,
            &[("acquire", name), ("release", name)],
        );
    }
}

/// Median and 99th percentile of one call, over calls taken in turn.
fn measure(engine: &PluginEngine, how: &str, warm: bool, component: &[u8], calls: &[(&str, &str)]) {
    let mut host = PluginHost::new(engine.clone());
    let compiled = compile(engine, component, &CompileLimits::default()).unwrap();
    host.install(REVISION, compiled);
    let mut stage: Box<dyn Stage> = Box::new(MemoryStage {
        caller: SessionId(1),
        sessions: [SessionId(1)].into(),
        ..MemoryStage::default()
    });
    let invocations: Vec<Invocation> = calls
        .iter()
        .map(|(op, input)| invocation(warm, op, input))
        .collect();
    let mut took = Vec::with_capacity(ROUNDS);
    for invocation in invocations.iter().cycle().take(ROUNDS) {
        let start = Instant::now();
        let ran = host.invoke(invocation, stage);
        took.push(start.elapsed());
        ran.result.unwrap();
        stage = ran.stage;
    }
    took.sort();
    let (median, tail) = (took[ROUNDS / 2], took[ROUNDS * 99 / 100]);
    println!("{how} {}: p50 {median:?}, p99 {tail:?}", calls[0].0);
}

fn invocation(warm: bool, op: &str, input: &str) -> Invocation {
    Invocation {
        revision: REVISION,
        limits: Limits {
            warm,
            ..Limits::default()
        },
        caller: Caller {
            session: SessionId(1),
            principals: Vec::new(),
            call: CallId(1),
        },
        seed: 1,
        entry: GuestEntry::Command {
            op: op.to_owned(),
            input: Bytes::copy_from_slice(input.as_bytes()),
        },
    }
}
