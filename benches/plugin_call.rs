//! One call of a guest: instance, entry, host calls and back. A fresh instance for each call, and
//! one kept warm. Must never see a replica: the stage is a map.

#![expect(
    clippy::expect_used,
    reason = "a benchmark's set-up either works or says where it does not"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zareba_benches::guests::{FIXTURES, LOCK, host_of};
use zareba_benches::requests::{SESSION, value};
use zareba_benches::stage::MapStage;
use zareba_model::{CallId, Limits, Sha256};
use zareba_plugin_host::PluginHost;
use zareba_replica::plugin::{Caller, GuestEntry, GuestFailure, Invocation, PluginRuntime, Stage};

/// One guest and its stage, called again and again.
struct Guest {
    host: PluginHost,
    revision: Sha256,
    limits: Limits,
    stage: Option<Box<dyn Stage>>,
}

impl Guest {
    fn new(file: &str, warm: bool) -> Self {
        let (host, revision) = host_of(file);
        let limits = Limits {
            warm,
            ..Limits::default()
        };
        Self {
            host,
            revision,
            limits,
            stage: Some(Box::new(MapStage::new())),
        }
    }

    fn call(&mut self, entry: &GuestEntry) {
        let invocation = Invocation {
            revision: self.revision,
            limits: self.limits,
            caller: Caller {
                session: SESSION,
                principals: Vec::new(),
                call: CallId(1),
            },
            seed: 1,
            entry: entry.clone(),
        };
        let stage = self
            .stage
            .take()
            .expect("a stage comes back from every call");
        let ran = self.host.invoke(&invocation, stage);
        let (stage, answer) = (ran.stage, ran.result);
        self.stage = Some(stage);
        if let Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) = answer {
            panic!("a measured call must go well: {fault}");
        }
    }
}

fn command(op: &str, input: &'static [u8]) -> GuestEntry {
    GuestEntry::Command {
        op: op.into(),
        input: bytes::Bytes::from_static(input),
    }
}

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("plugin_call");
    group.throughput(Throughput::Elements(1));
    for (mode, warm) in [("fresh", false), ("warm", true)] {
        let mut echo = Guest::new(FIXTURES, warm);
        let small = command("echo", b"hello");
        group.bench_function(format!("echo_5B/{mode}"), |b| b.iter(|| echo.call(&small)));
        let large = GuestEntry::Command {
            op: "echo".into(),
            input: value(),
        };
        group.bench_function(format!("echo_1KiB/{mode}"), |b| {
            b.iter(|| echo.call(&large))
        });
        let query = GuestEntry::Query {
            op: "echo".into(),
            input: bytes::Bytes::from_static(b"hello"),
        };
        group.bench_function(format!("query_5B/{mode}"), |b| b.iter(|| echo.call(&query)));
    }
    group.throughput(Throughput::Elements(2));
    for (mode, warm) in [("fresh", false), ("warm", true)] {
        let mut lock = Guest::new(LOCK, warm);
        let acquire = command("acquire", br#"{"name":"db"}"#);
        let release = command("release", br#"{"name":"db"}"#);
        group.bench_function(format!("lock_acquire_release/{mode}"), |b| {
            b.iter(|| {
                lock.call(&acquire);
                lock.call(&release);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
