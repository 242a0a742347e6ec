//! The data directory, the log on real files, and the image.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, their helpers too"
)]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use zareba_model::{Entry, Epoch, Zxid};
use zareba_storage::{
    Config, Damage, Disk, DiskError, Epochs, FileDisk, Image, ImageMeta, Inspected, LogConfig,
    StorageError, Store,
};

const CONFIG: Config = Config {
    log: LogConfig {
        segment_bytes: 2 << 20,
    },
};

fn entries(counters: std::ops::RangeInclusive<u32>) -> Vec<Entry> {
    counters
        .map(|counter| Entry {
            zxid: Zxid::new(1, counter),
            payload: Bytes::from(vec![counter as u8; 10_000]),
        })
        .collect()
}

fn open(path: &Path) -> Store {
    Store::open(path, CONFIG).unwrap()
}

fn replay(store: &mut Store, after: Zxid) -> Vec<Entry> {
    let mut replay = store.log.replay_after(after).unwrap();
    let mut all = Vec::new();
    loop {
        let some = store.log.read(&mut replay, 1 << 20).unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn record(key: &str, value: &str) -> (Bytes, Option<Bytes>) {
    let value = Bytes::copy_from_slice(value.as_bytes());
    (Bytes::copy_from_slice(key.as_bytes()), Some(value))
}

fn records(image: &Image) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    image
        .for_each(|key, value| all.push((text(key), text(value))))
        .unwrap();
    all
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn a_log_over_several_real_segments_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    for batch in entries(1..=900).chunks(90) {
        store.log.append(batch, Zxid::ZERO).unwrap();
        store.log.sync().unwrap();
    }
    let epochs = Epochs {
        accepted: Epoch(3),
        current: Epoch(2),
    };
    store.log.write_epochs(epochs).unwrap();
    assert!(store.log.last_segment_number() > 3);
    drop(store);
    let mut store = open(home.path());
    assert_eq!(store.recovered.damage, None);
    assert_eq!(store.recovered.epochs, epochs);
    assert_eq!(replay(&mut store, Zxid::ZERO), entries(1..=900));
    let last = store.log.truncate_after(Zxid::new(1, 300)).unwrap();
    assert_eq!(last, Zxid::new(1, 300));
    drop(store);
    let mut store = open(home.path());
    assert_eq!(replay(&mut store, Zxid::ZERO), entries(1..=300));
}

#[test]
fn a_second_process_is_told_that_the_directory_is_in_use() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let second = Store::open(home.path(), CONFIG).err().unwrap();
    assert!(matches!(second, StorageError::InUse(_)), "{second}");
    drop(store);
    open(home.path());
}

#[test]
fn a_directory_of_somebody_else_or_of_another_format_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("thesis.tex"), "precious").unwrap();
    let refused = Store::open(home.path(), CONFIG).err().unwrap();
    assert!(matches!(refused, StorageError::NotOurs(_)), "{refused}");
    fs::write(home.path().join("format"), "zareba data 7\n").unwrap();
    let refused = Store::open(home.path(), CONFIG).err().unwrap();
    assert!(
        matches!(refused, StorageError::UnknownFormat { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("zareba data 7"));
}

#[test]
fn a_missing_log_segment_is_damage_that_is_remembered() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    store.log.append(&entries(1..=900), Zxid::ZERO).unwrap();
    store.log.sync().unwrap();
    drop(store);
    fs::remove_file(home.path().join("log/log-0000000000000002")).unwrap();
    let store = open(home.path());
    assert!(matches!(
        store.recovered.damage,
        Some(Damage::BeginsLate { .. })
    ));
    drop(store);
    let mut store = open(home.path());
    assert!(matches!(store.recovered.damage, Some(Damage::Earlier(_))));
    store.log.clear_damage().unwrap();
    drop(store);
    assert_eq!(open(home.path()).recovered.damage, None);
}

#[test]
fn files_are_made_of_zeros_and_a_spare_is_never_seen() {
    let home = tempfile::tempdir().unwrap();
    let mut disk = FileDisk::open(home.path()).unwrap();
    let length = 2 << 20;
    for name in ["a", "b", "c"] {
        disk.create(name, length).unwrap();
        assert!(matches!(disk.create(name, 1), Err(DiskError::Exists(_))));
        assert_eq!(disk.len(name).unwrap(), length);
        let bytes = disk.read(name, 0, length as usize).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
        // Behind the middle, a spare is begun.
        disk.write_at(name, length - 3, b"end").unwrap();
        disk.sync(name).unwrap();
    }
    disk.sync_directory().unwrap();
    assert_eq!(disk.list().unwrap(), ["a", "b", "c"]);
    assert_eq!(&disk.read("b", length - 3, 99).unwrap()[..], b"end");
    disk.remove("b").unwrap();
    assert!(matches!(disk.len("b"), Err(DiskError::NotFound(_))));
    drop(disk);
    assert_eq!(
        FileDisk::open(home.path()).unwrap().list().unwrap(),
        ["a", "c"]
    );
}

#[test]
fn a_checkpoint_writes_changes_and_moves_the_marks() {
    let home = tempfile::tempdir().unwrap();
    let mut image = Image::open(home.path()).unwrap();
    assert_eq!(image.meta(), zareba_storage::ImageMeta::default());
    let first = [record("/a", "1"), record("/b", "1")];
    image.write_batch(&first, Zxid::new(1, 5)).unwrap();
    image
        .finish_checkpoint(Zxid::new(1, 4), Zxid::new(1, 5), 77)
        .unwrap();
    let second = [record("/c", "2"), (Bytes::from_static(b"/a"), None)];
    image.write_batch(&second, Zxid::new(1, 9)).unwrap();
    let meta = image.meta();
    assert_eq!((meta.end, meta.upto), (Zxid::new(1, 5), Zxid::new(1, 9)));
    assert_eq!(meta.digest_mark(), None, "a pass is under way");
    assert_eq!(meta.origin().durable, Zxid::new(1, 9));
    image
        .finish_checkpoint(Zxid::new(1, 8), Zxid::new(1, 9), 99)
        .unwrap();
    drop(image);
    let image = Image::open(home.path()).unwrap();
    assert_eq!(records(&image), pairs(&[("/b", "1"), ("/c", "2")]));
    let mark = image.meta().digest_mark().unwrap();
    assert_eq!((mark.zxid, mark.digest), (Zxid::new(1, 9), 99));
    assert_eq!(image.meta().start, Zxid::new(1, 8));
}

#[test]
fn an_installed_snapshot_replaces_image_and_log() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    store.log.append(&entries(1..=300), Zxid::ZERO).unwrap();
    store.log.sync().unwrap();
    store
        .image
        .write_batch(&[record("/old", "1")], Zxid::new(1, 3))
        .unwrap();
    let base = Zxid::new(2, 7);
    store.image.begin_install(base).unwrap();
    let piece = (Bytes::from_static(b"/new"), Bytes::from_static(b"2"));
    store.image.install_batch(&[piece]).unwrap();
    store.finish_install(base).unwrap();
    assert_eq!(records(&store.image), pairs(&[("/new", "2")]));
    drop(store);
    let mut store = open(home.path());
    assert_eq!(store.recovered.damage, None);
    assert_eq!((store.recovered.base, store.recovered.last), (base, base));
    assert_eq!(store.replay_from(), base);
    assert_eq!(records(&store.image), pairs(&[("/new", "2")]));
    assert_eq!(replay(&mut store, base), []);
}

#[test]
fn a_crash_between_the_flip_and_the_reset_leaves_no_old_log() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    store.log.append(&entries(1..=300), Zxid::ZERO).unwrap();
    store.log.sync().unwrap();
    store.image.begin_install(Zxid::new(2, 7)).unwrap();
    let discard = store.log.last_segment_number();
    store
        .image
        .finish_install(Zxid::new(2, 9), discard)
        .unwrap();
    drop(store);
    let mut store = open(home.path());
    // Nothing behind the base has come yet, so the tree is not whole; but nothing was lost.
    assert_eq!(store.recovered.damage, None);
    assert_eq!(store.log.last(), Zxid::new(2, 7));
    assert_eq!(replay(&mut store, Zxid::new(2, 7)), []);
}

#[test]
fn a_log_that_vanishes_behind_a_snapshot_and_a_checkpoint_is_damage() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    store.log.append(&entries(1..=300), Zxid::ZERO).unwrap();
    store.log.sync().unwrap();
    let base = Zxid::new(1, 300);
    store.image.begin_install(base).unwrap();
    store.finish_install(base).unwrap();
    store.log.append(&entries(301..=310), base).unwrap();
    store.log.sync().unwrap();
    store.image.finish_checkpoint(base, base, 7).unwrap();
    drop(store);
    let is_segment = |path: &Path| path.to_string_lossy().contains("/log-");
    let files = fs::read_dir(home.path().join("log")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let segments: Vec<_> = files.filter(|path| is_segment(path)).collect();
    assert!(!segments.is_empty());
    for segment in segments {
        fs::remove_file(segment).unwrap();
    }
    assert!(open(home.path()).recovered.damage.is_some());
}

#[test]
fn an_abandoned_installation_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut image = Image::open(home.path()).unwrap();
    image
        .write_batch(&[record("/old", "1")], Zxid::new(1, 3))
        .unwrap();
    image
        .finish_checkpoint(Zxid::new(1, 3), Zxid::new(1, 3), 1)
        .unwrap();
    let piece = [(Bytes::from_static(b"/x"), Bytes::from_static(b"2"))];
    image.begin_install(Zxid::new(2, 1)).unwrap();
    image.install_batch(&piece).unwrap();
    // The leader went; the next one begins again.
    image.begin_install(Zxid::new(3, 1)).unwrap();
    drop(image);
    let mut image = Image::open(home.path()).unwrap();
    assert_eq!(records(&image), pairs(&[("/old", "1")]));
    assert!(matches!(
        image.install_batch(&piece),
        Err(StorageError::NoInstall)
    ));
    image.begin_install(Zxid::new(3, 1)).unwrap();
    image.finish_install(Zxid::new(3, 1), 0).unwrap();
    assert_eq!(records(&image), [], "what was abandoned does not show up");
}

#[test]
fn a_broken_image_is_set_aside_and_the_log_makes_up_for_it() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    store.log.append(&entries(1..=9), Zxid::ZERO).unwrap();
    store.log.sync().unwrap();
    let large = "x".repeat(3000);
    store
        .image
        .write_batch(&[record("/a", &large)], Zxid::new(1, 9))
        .unwrap();
    store
        .image
        .finish_checkpoint(Zxid::ZERO, Zxid::new(1, 9), 1)
        .unwrap();
    drop(store);
    break_journal(&home.path().join("image"));
    let mut store = open(home.path());
    assert!(store.image_lost.is_some());
    assert_eq!(
        store.recovered.damage, None,
        "the log reaches back to the beginning"
    );
    assert_eq!(records(&store.image), []);
    assert_eq!(replay(&mut store, Zxid::ZERO), entries(1..=9));
}

#[test]
fn a_broken_image_behind_a_purged_log_is_damage() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    store.log.append(&entries(1..=900), Zxid::ZERO).unwrap();
    store.log.sync().unwrap();
    let large = "x".repeat(3000);
    store
        .image
        .write_batch(&[record("/a", &large)], Zxid::new(1, 900))
        .unwrap();
    let (start, end) = (Zxid::new(1, 800), Zxid::new(1, 900));
    store.finish_checkpoint(start, end, 1).unwrap();
    assert!(store.log.base() > Zxid::ZERO);
    drop(store);
    break_journal(&home.path().join("image"));
    let store = open(home.path());
    assert!(store.image_lost.is_some());
    assert!(matches!(
        store.recovered.damage,
        Some(Damage::BeginsLate { .. })
    ));
}

/// Flips a bit in the middle of the large record.
fn break_journal(image: &Path) {
    let mut broken = 0;
    for entry in fs::read_dir(image).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes
                .windows(9)
                .position(|some| some == b"xxxxxxxxx")
                .map(|at| at + 1);
            if let Some(middle) = middle {
                bytes[middle] ^= 1;
                fs::write(&path, bytes).unwrap();
                broken += 1;
            }
        }
    }
    assert_eq!(broken, 1, "the journal holds the record");
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Small segments, which are made soon.
const TINY: Config = Config {
    log: LogConfig {
        segment_bytes: 16 << 10,
    },
};

/// A store with a checkpoint over entries that are all still in the log.
fn checkpointed(home: &Path) {
    let mut store = Store::open(home, TINY).unwrap();
    store.log.append(&entries(1..=9), Zxid::ZERO).unwrap();
    store.log.sync().unwrap();
    let batch: Vec<_> = (0..50)
        .map(|i| record(&format!("/node-{i}"), &"v".repeat(i * 7)))
        .collect();
    store.image.write_batch(&batch, Zxid::new(1, 9)).unwrap();
    store
        .finish_checkpoint(Zxid::ZERO, Zxid::new(1, 9), 7)
        .unwrap();
}

#[test]
fn no_flipped_bit_of_an_image_keeps_a_server_from_starting() {
    let home = tempfile::tempdir().unwrap();
    let good = home.path().join("good");
    checkpointed(&good);
    let (mut flips, mut lost) = (0, 0);
    for (file, bytes) in contents(&good.join("image")) {
        let inside = file.strip_prefix(&good).unwrap();
        // The engine's journals are long and mostly zeros.
        let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else {
            continue;
        };
        for bit in (0..(last + 1) * 8).step_by(last * 8 / 7 + 1) {
            let data = home.path().join("flipped");
            copy(&good, &data);
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(data.join(inside), flipped).unwrap();
            let opened = Store::open(&data, TINY);
            let store = opened.unwrap_or_else(|error| panic!("bit {bit} of {inside:?}: {error}"));
            flips += 1;
            lost += usize::from(store.image_lost.is_some());
            let read = store.image.for_each(|_, _| {});
            if let Err(error) = read {
                let again = store.without_image(TINY, |files| files, error.to_string());
                assert_eq!(again.unwrap().image.meta(), ImageMeta::default());
            }
            fs::remove_dir_all(&data).unwrap();
        }
    }
    assert!(flips > 10 && lost > 0, "{lost} of {flips}");
}

#[test]
fn an_image_that_turns_out_to_be_wrong_is_set_aside_while_the_store_is_open() {
    let home = tempfile::tempdir().unwrap();
    checkpointed(home.path());
    let store = open(home.path());
    assert!(!records(&store.image).is_empty());
    let reason = "its digest is wrong".to_owned();
    let mut store = store
        .without_image(CONFIG, |files| files, reason.clone())
        .unwrap();
    assert_eq!(store.image_lost, Some(reason));
    assert_eq!(store.recovered.damage, None);
    assert_eq!(records(&store.image), []);
    assert_eq!(replay(&mut store, Zxid::ZERO), entries(1..=9));
    assert!(home.path().join("image.broken").is_dir());
}

#[test]
fn looking_at_data_changes_no_byte_and_needs_the_directory_for_itself() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    checkpointed(&data);
    let before = contents(&data);
    let mut inspected = Inspected::open(&data).unwrap();
    let image = inspected.image().unwrap().unwrap();
    assert_eq!(records(&image).len(), 50);
    let origin = image.meta().origin();
    let mut found = 0;
    let log = zareba_log::inspect(&mut inspected.files, origin, &mut |_| found += 1).unwrap();
    assert_eq!((log.last, log.damage), (Zxid::new(1, 9), None));
    assert!(found > 9);
    assert!(inspected.files.sync("epochs").is_err());
    drop((image, inspected));
    assert_eq!(contents(&data), before);

    let store = open(&data);
    let refused = Inspected::open(&data).err().unwrap();
    assert!(matches!(refused, StorageError::InUse(_)), "{refused}");
    drop(store);
    let nothing = Inspected::open(home.path()).err().unwrap();
    assert!(matches!(nothing, StorageError::Nothing(_)), "{nothing}");
}
