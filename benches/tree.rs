//! The replicated state: applying transactions, reading, building and restoring.
//! Must never see how a transaction comes about.

#![expect(
    clippy::expect_used,
    reason = "a benchmark's set-up either works or says where it does not"
)]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use zareba_benches::clock;
use zareba_benches::requests::{
    NODES, create_folder, create_txn, delete_txn, folder, node, open_session, set_txn, value,
};
use zareba_model::{ChildrenPage, Txn, Zxid};
use zareba_tree::{RecordKey, Tree, TreeBuilder};

/// Nodes of the trees that are built and restored as a whole.
const WHOLE: u64 = 100_000;

/// Transactions prepared at a time, outside the measured part.
const CHUNK: u64 = 1_000;

/// A tree and the order in which it takes transactions.
struct Ordered {
    tree: Tree,
    last: Zxid,
}

impl Ordered {
    /// A session, a folder, and so many nodes in it.
    fn with_nodes(count: u64, data: &Bytes) -> Self {
        let mut ordered = Self {
            tree: Tree::default(),
            last: Zxid::ZERO,
        };
        ordered.apply(&open_session());
        ordered.apply(&create_folder());
        for number in 0..count {
            ordered.apply(&create_txn(number, data.clone(), number + 1));
        }
        ordered
    }

    fn apply(&mut self, txn: &Txn) {
        let next = match self.last {
            Zxid::ZERO => Some(Zxid::new(1, 1)),
            last => last.next(),
        };
        self.last = next.expect("a benchmark stays within one epoch");
        black_box(self.tree.apply(self.last, txn));
    }
}

/// So many calls of a step that prepares a chunk of transactions and times their application.
fn in_chunks(iterations: u64, mut step: impl FnMut(u64) -> Duration) -> Duration {
    let mut left = iterations;
    let mut spent = Duration::ZERO;
    while left > 0 {
        let count = left.min(CHUNK);
        spent += step(count);
        left -= count;
    }
    spent
}

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("tree_apply");
    group.throughput(Throughput::Elements(1));
    let mut ordered = Ordered::with_nodes(NODES, &value());
    let mut xid = 0;
    group.bench_function("set_1KiB_with_result", |b| {
        b.iter_custom(|iterations| {
            in_chunks(iterations, |count| {
                let next = |_| {
                    xid += 1;
                    // A stride that meets every node and not the one beside the last.
                    set_txn(node(xid * 7_919 % NODES), xid, xid)
                };
                let txns: Vec<_> = (0..count).map(next).collect();
                clock::time(|| txns.iter().for_each(|txn| ordered.apply(txn)))
            })
        });
    });
    let mut created = NODES;
    group.bench_function("create_1KiB", |b| {
        b.iter_custom(|iterations| {
            in_chunks(iterations, |count| {
                let next = |number| {
                    created += 1;
                    create_txn(NODES + number, value(), created)
                };
                let txns: Vec<_> = (0..count).map(next).collect();
                let spent = clock::time(|| txns.iter().for_each(|txn| ordered.apply(txn)));
                (0..count).for_each(|number| ordered.apply(&delete_txn(NODES + number)));
                spent
            })
        });
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("tree_read");
    let tree = Ordered::with_nodes(NODES, &value()).tree;
    let paths: Vec<_> = (0..NODES).map(|i| node(i * 7_919 % NODES)).collect();
    let mut round = paths.iter().cycle();
    group.throughput(Throughput::Elements(1));
    group.bench_function("get_1KiB", |b| {
        b.iter(|| round.next().map(|path| tree.get(black_box(path))));
    });
    let folder = folder();
    for (name, limit) in [("children_first", 1), ("children_page_of_100", 100)] {
        let page = ChildrenPage {
            limit,
            ..ChildrenPage::default()
        };
        group.throughput(Throughput::Elements(u64::from(limit)));
        group.bench_function(name, |b| {
            b.iter(|| tree.children(black_box(&folder), black_box(&page)));
        });
    }
    group.finish();
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("tree_whole");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(WHOLE));
    let small = Bytes::from_static(b"0123456789abcdef");
    group.bench_function("build_100k_nodes_by_txns", |b| {
        b.iter_batched(
            || {
                (0..WHOLE)
                    .map(|i| create_txn(i, small.clone(), i + 1))
                    .collect::<Vec<_>>()
            },
            |txns| {
                let mut ordered = Ordered::with_nodes(0, &small);
                txns.iter().for_each(|txn| ordered.apply(txn));
                ordered.tree
            },
            BatchSize::PerIteration,
        );
    });
    let tree = Ordered::with_nodes(WHOLE, &small).tree;
    let (records, more) = tree.records_after(None, usize::MAX);
    assert!(!more, "one walk takes all of it");
    group.bench_function("restore_100k_nodes_from_records", |b| {
        b.iter_batched(
            || records.clone(),
            |records| {
                let mut builder = TreeBuilder::default();
                for (key, record) in records {
                    builder
                        .add(key, record)
                        .expect("the records are the tree's own");
                }
                builder.finish(tree.applied(), tree.applied(), tree.time())
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("walk_100k_nodes_as_records", |b| {
        b.iter(|| {
            let mut cursor: Option<RecordKey> = None;
            loop {
                let (records, more) = tree.records_after(cursor.as_ref(), 256 << 10);
                cursor = records.into_iter().next_back().map(|(key, _)| key);
                if !more {
                    break;
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, apply, read, whole);
criterion_main!(benches);
