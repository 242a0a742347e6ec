//! Group commits of the log on a real disk, each beside the least that any log could do: one write
//! into a preallocated file and one fdatasync. Must never see what the entries mean.

#![expect(
    clippy::expect_used,
    reason = "a benchmark's set-up either works or says where it does not"
)]
#![expect(
    clippy::print_stdout,
    reason = "the ratio of two measurements is no measurement of its own"
)]

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zareba_benches::clock;
use zareba_benches::requests::value;
use zareba_log::{Config, Log, Origin};
use zareba_model::{Entry, Zxid};
use zareba_storage::FileDisk;

/// Size of the floor's file, and of a segment.
const FILE_BYTES: u64 = 64 << 20;

/// Old segments are removed after so many commits, outside the measured part.
const PURGE_EVERY: u64 = 256;

/// Fewer commits than this, as when each benchmark is run once, say nothing of a ratio.
const MEANINGFUL_COMMITS_MIN: u64 = 100;

/// A log in a directory of its own.
struct RealLog {
    log: Log<FileDisk>,
    entries: Vec<Entry>,
    commits: u64,
}

impl RealLog {
    fn new(directory: &Path, group: usize) -> Self {
        let disk = FileDisk::open(directory).expect("the directory is there");
        let config = Config {
            segment_bytes: FILE_BYTES,
        };
        let (log, _) = Log::open(disk, config, Origin::default()).expect("an empty log opens");
        let entry = Entry {
            zxid: Zxid::ZERO,
            payload: value(),
        };
        Self {
            log,
            entries: vec![entry; group],
            commits: 0,
        }
    }

    fn commit(&mut self) -> Duration {
        let mut last = self.log.last();
        for entry in &mut self.entries {
            entry.zxid = match last {
                Zxid::ZERO => Zxid::new(1, 1),
                last => last.next().expect("a benchmark stays within one epoch"),
            };
            last = entry.zxid;
        }
        let committed = self.log.durable();
        let spent = clock::time(|| {
            self.log
                .append(&self.entries, committed)
                .expect("the log takes entries");
            self.log.sync().expect("the disk syncs");
        });
        self.commits += 1;
        if self.commits.is_multiple_of(PURGE_EVERY) {
            self.log.purge_below(last).expect("old segments go");
        }
        spent
    }
}

/// A file of real zeros, overwritten from its beginning to its end, again and again.
struct Floor {
    file: File,
    offset: u64,
    bytes: Vec<u8>,
}

impl Floor {
    fn new(directory: &Path, group: usize) -> Self {
        let options = OpenOptions::new().write(true).create_new(true).to_owned();
        let mut file = options.open(directory.join("floor")).expect("a new file");
        file.write_all(&vec![0; FILE_BYTES as usize])
            .expect("the disk has room");
        file.sync_all().expect("the disk syncs");
        Self {
            file,
            offset: 0,
            bytes: value().repeat(group),
        }
    }

    fn commit(&mut self) -> Duration {
        let length = self.bytes.len() as u64;
        if self.offset + length > FILE_BYTES {
            self.offset = 0;
        }
        let spent = clock::time(|| {
            self.file
                .write_all_at(&self.bytes, self.offset)
                .expect("the disk takes bytes");
            self.file.sync_data().expect("the disk syncs");
        });
        self.offset += length;
        spent
    }
}

/// Both, taking turns, so that a slow moment of the disk is a slow moment of both.
struct Pair {
    log: RealLog,
    floor: Floor,
    spent: [Duration; 2],
}

impl Pair {
    fn commit(&mut self, iterations: u64) -> [Duration; 2] {
        let mut spent = [Duration::ZERO; 2];
        for _ in 0..iterations {
            let [log, floor] = [self.log.commit(), self.floor.commit()];
            spent = [spent[0] + log, spent[1] + floor];
        }
        self.spent = [self.spent[0] + spent[0], self.spent[1] + spent[1]];
        spent
    }
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("log_append");
    group.sample_size(50);
    for entries in [1, 16, 128] {
        // Beside the build's own files, on the disk that holds them: /tmp may be memory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let pair = RefCell::new(Pair {
            log: RealLog::new(directory.path(), entries),
            floor: Floor::new(files.path(), entries),
            spent: [Duration::ZERO; 2],
        });
        group.throughput(Throughput::Elements(entries as u64));
        group.bench_function(format!("{entries}x1KiB/log"), |b| {
            b.iter_custom(|iterations| pair.borrow_mut().commit(iterations)[0]);
        });
        group.bench_function(format!("{entries}x1KiB/floor"), |b| {
            b.iter_custom(|iterations| pair.borrow_mut().commit(iterations)[1]);
        });
        let pair = pair.into_inner();
        if pair.log.commits < MEANINGFUL_COMMITS_MIN {
            continue;
        }
        let [log, floor] = pair.spent.map(|spent| spent.as_secs_f64());
        let ratio = log / floor;
        println!("log_append/{entries}x1KiB: the log takes {ratio:.2} times the floor\n");
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
