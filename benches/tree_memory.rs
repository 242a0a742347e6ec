//! What a znode takes of the tree's memory, by its path, its folder and its data: counted by the
//! allocator, and as the growth of the process. Must never see how a transaction comes about.

#![expect(
    clippy::expect_used,
    reason = "a benchmark's set-up either works or says where it does not"
)]
#![expect(
    clippy::print_stdout,
    reason = "memory is not what criterion measures; a table is all there is to it"
)]

use bytes::Bytes;
use peak_alloc::PeakAlloc;
use zareba_benches::requests::{create_at, path};
use zareba_model::Zxid;
use zareba_tree::Tree;

/// The system's allocator, counting the bytes that it is asked for.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Znodes of a tree that is measured, and of one that is only built once, as in CI.
const ZNODES: u64 = 1_000_000;
const ZNODES_ONCE: u64 = 10_000;

/// One kind of tree.
struct Shape {
    path_bytes: usize,
    /// How many nodes a folder is, itself included.
    per_folder: u64,
    data_bytes: usize,
}

/// The first one is what `zareba bench znodes` makes, the others change one thing at a time.
const SHAPES: [Shape; 7] = [
    Shape::new(22, 500, 16),
    Shape::new(38, 500, 16),
    Shape::new(64, 500, 16),
    Shape::new(38, u64::MAX, 16),
    Shape::new(38, 10, 16),
    Shape::new(38, 500, 0),
    Shape::new(38, 500, 100),
];

/// What `/fill-` and `/node-000000` take of a path.
const FIXED_PATH_BYTES: usize = 18;

/// Keys of changed nodes taken at a time.
const KEYS: usize = 10_000;

impl Shape {
    const fn new(path_bytes: usize, per_folder: u64, data_bytes: usize) -> Self {
        Self {
            path_bytes,
            per_folder,
            data_bytes,
        }
    }

    /// A tree of so many nodes, made by one transaction each.
    fn build(&self, znodes: u64) -> Tree {
        let mut tree = Tree::default();
        let mut zxid = Zxid::new(1, 0);
        let data = Bytes::from(vec![b'x'; self.data_bytes]);
        let digits = self.path_bytes - FIXED_PATH_BYTES;
        for number in 0..znodes {
            let (folder, place) = (number / self.per_folder, number % self.per_folder);
            let above = format!("/fill-{folder:0digits$}");
            let txn = match place {
                0 => create_at(path(&above), Bytes::new(), folder + 1),
                _ => create_at(
                    path(&format!("{above}/node-{place:06}")),
                    data.clone(),
                    place,
                ),
            };
            zxid = zxid.next().expect("a benchmark stays within one epoch");
            tree.apply(zxid, &txn);
        }
        assert_eq!(
            tree.node_count() as u64,
            znodes + 1,
            "the root is there too"
        );
        tree
    }

    fn name(&self) -> String {
        let Self {
            path_bytes,
            per_folder,
            data_bytes,
        } = self;
        let folder = match per_folder {
            &u64::MAX => "all in one folder".to_owned(),
            _ => format!("{per_folder} a folder"),
        };
        format!("{path_bytes}-byte paths, {folder}, {data_bytes} B")
    }
}

/// Resident memory of this process, in bytes; none where there is no `/proc`.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn main() {
    let once = std::env::args().any(|argument| argument == "--test");
    let znodes = if once { ZNODES_ONCE } else { ZNODES };
    println!("bytes a znode, {znodes} of them: counted, as the process grew, and for a checkpoint");
    // All trees are kept, so that none is built in memory that another one has left.
    let mut trees = Vec::new();
    for shape in &SHAPES {
        let (counted_before, resident_before) = (ALLOCATOR.current_usage(), resident());
        let mut tree = shape.build(znodes);
        let with_keys = ALLOCATOR.current_usage();
        // As a server's checkpoint does: until then the tree remembers what has changed.
        while tree.dirty_len() > 0 {
            drop(tree.take_dirty(KEYS));
        }
        let counted = ALLOCATOR.current_usage();
        let each = |bytes: usize| bytes as f64 / znodes as f64;
        let grown = resident().zip(resident_before).map_or_else(
            || "-".to_owned(),
            |(after, before)| format!("{:.0}", after.saturating_sub(before) as f64 / znodes as f64),
        );
        println!(
            "{:<42} {:>6.1} {grown:>6} {:>+6.1}",
            shape.name(),
            each(counted.saturating_sub(counted_before)),
            each(with_keys.saturating_sub(counted)),
        );
        trees.push(tree);
    }
}
