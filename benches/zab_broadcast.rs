//! The cost of agreement itself: three cores in memory, from proposal to the last delivery.
//! Must never see a disk or a network.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zareba_benches::broadcast::Broadcast;
use zareba_benches::requests::value;

fn broadcast(c: &mut Criterion) {
    let mut group = c.benchmark_group("zab_broadcast");
    for batch in [1, 100] {
        let mut ensemble = Broadcast::established();
        let payloads = vec![value(); batch];
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("three_servers/batch_of_{batch}"), |b| {
            b.iter(|| ensemble.broadcast(black_box(&payloads)));
        });
    }
    group.finish();
}

criterion_group!(benches, broadcast);
criterion_main!(benches);
