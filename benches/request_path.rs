//! The whole way of a request through one server's brain: from input to reply, without bytes on a
//! wire or a disk. Must never look into the replica.

use std::collections::BTreeMap;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zareba_benches::guests::{FIXTURES, LOCK, component};
use zareba_benches::requests::{NODES, create, folder, get, node, path, set, value};
use zareba_benches::solo::Solo;
use zareba_model::{Limits, Op, PluginOp, Write, ZnodePath};

/// Requests in one batch; the loop of a busy server finds some hundreds.
const BATCHES: [u64; 2] = [1, 100];

fn plain(c: &mut Criterion) {
    let mut group = c.benchmark_group("request_path");
    let mut solo = Solo::start();
    solo.ask(create(folder()));
    for number in 0..NODES {
        solo.ask(create(node(number)));
    }
    let paths: Vec<_> = (0..NODES).map(|i| node(i * 7_919 % NODES)).collect();
    let mut paths = paths.iter().cycle().cloned();
    let data = value();
    for batch in BATCHES {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(format!("set_1KiB/batch_of_{batch}"), |b| {
            b.iter(|| {
                let chosen = paths.by_ref().take(batch as usize);
                solo.ask_all(chosen.map(|path| set(path, data.clone())));
            });
        });
        group.bench_function(format!("get_1KiB/batch_of_{batch}"), |b| {
            b.iter(|| solo.ask_all(paths.by_ref().take(batch as usize).map(get)));
        });
    }
    group.finish();
}

fn plugin(c: &mut Criterion) {
    let mut group = c.benchmark_group("request_path");
    for (mode, warm) in [("fresh", false), ("warm", true)] {
        let mut solo = Solo::start();
        let locks = mount(&mut solo, LOCK, "lock", "/locks", warm);
        let echoes = mount(&mut solo, FIXTURES, "fixtures", "/fixtures", warm);
        for batch in BATCHES {
            group.throughput(Throughput::Elements(batch));
            group.bench_function(format!("echo_5B/{mode}/batch_of_{batch}"), |b| {
                b.iter(|| solo.ask_all((0..batch).map(|_| call(&echoes, "echo", b"hello"))));
            });
            group.throughput(Throughput::Elements(2 * batch));
            group.bench_function(
                format!("lock_acquire_release/{mode}/batch_of_{batch}"),
                |b| {
                    b.iter(|| {
                        let cycle =
                            |_| ["acquire", "release"].map(|op| call(&locks, op, LOCK_INPUT));
                        solo.ask_all((0..batch).flat_map(cycle));
                    });
                },
            );
        }
    }
    group.finish();
}

const LOCK_INPUT: &[u8] = br#"{"name":"db"}"#;

fn call(mount: &ZnodePath, op: &str, input: &'static [u8]) -> Op {
    Op::Call {
        mount: mount.clone(),
        op: op.to_owned(),
        input: Bytes::from_static(input),
    }
}

/// Pushes a component, activates it and mounts it.
fn mount(solo: &mut Solo, file: &str, name: &str, at: &str, warm: bool) -> ZnodePath {
    let (data, sha256) = component(file);
    let (name, path) = (name.to_owned(), path(at));
    let steps = [
        PluginOp::PushChunk {
            name: name.clone(),
            sha256,
            total: data.len() as u64,
            offset: 0,
            data,
        },
        PluginOp::Register {
            name: name.clone(),
            sha256,
            signature: None,
        },
        PluginOp::Activate {
            name: name.clone(),
            sha256,
            breaking: false,
        },
        PluginOp::Mount {
            name,
            path: path.clone(),
            config: BTreeMap::new(),
            limits: Limits {
                warm,
                ..Limits::default()
            },
        },
    ];
    for step in steps {
        solo.ask(Op::Write(Write::Plugin(step)));
    }
    path
}

criterion_group!(benches, plain, plugin);
criterion_main!(benches);
