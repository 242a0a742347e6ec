//! The most important property: an image read while transactions go on, and the log behind the
//! transaction where reading began, give the state itself.

use std::collections::BTreeMap;

use zareba_model::Zxid;

use crate::snapshot::{Record, RecordKey, TreeBuilder};
use crate::tests::log::Leader;
use crate::tree::Tree;

type Image = BTreeMap<RecordKey, Record>;

fn restore(image: &Image, leader: &Leader, start: Zxid, end: Zxid, time: u64) -> Tree {
    let mut builder = TreeBuilder::default();
    // The order must not matter: last first is the worst one.
    for (key, record) in image.iter().rev() {
        builder.add(key.clone(), record.clone()).unwrap();
    }
    let mut tree = builder.finish(start, end, time);
    assert_eq!(tree.digest(), tree.recomputed_digest());
    for (zxid, txn) in leader.log.iter().filter(|(zxid, _)| *zxid > start) {
        let changes = tree.apply(*zxid, txn);
        assert_eq!(changes.diverged, None, "at {zxid}");
    }
    assert_eq!(tree.digest(), tree.recomputed_digest());
    tree
}

/// All that a tree holds, the indexes by the way they are read.
fn everything(tree: &Tree) -> (Vec<(RecordKey, Record)>, Vec<String>) {
    let records = tree.records_after(None, usize::MAX).0;
    let mut indexes = Vec::new();
    for session in tree.sessions() {
        indexes.push(format!(
            "{:?}",
            tree.ephemerals(session.id).collect::<Vec<_>>()
        ));
        indexes.push(format!(
            "{:?}",
            tree.parked_of(session.id).collect::<Vec<_>>()
        ));
    }
    indexes.push(format!("{:?}", tree.deadlines().collect::<Vec<_>>()));
    indexes.push(format!("{:?}", tree.timers().collect::<Vec<_>>()));
    indexes.push(format!("{:?}", tree.quotas().collect::<Vec<_>>()));
    indexes.push(format!("{:?}", tree.nodes_to_expire().collect::<Vec<_>>()));
    indexes.push(format!("{:?}", tree.empty_containers().collect::<Vec<_>>()));
    for mount in ["/m", "/n"] {
        let mount = crate::tests::log::path(mount);
        indexes.push(tree.parked_at(&mount).to_string());
        for tag in ["x", "y"] {
            let calls = tree.parked_with_tag(&mount, tag, zareba_model::CallId(0));
            indexes.push(format!("{:?}", calls.collect::<Vec<_>>()));
        }
    }
    (records, indexes)
}

fn assert_same(restored: &Tree, original: &Tree, seed: u64) {
    assert_eq!(everything(restored), everything(original), "seed {seed}");
    assert_eq!(restored.digest(), original.digest(), "seed {seed}");
    assert_eq!(
        restored.digest_at(original.applied()),
        Some(original.digest())
    );
    assert_eq!(restored.time(), original.time());
}

#[test]
fn a_walk_while_transactions_go_on_and_the_log_give_the_state() {
    for seed in 0..200 {
        let mut leader = Leader::new(seed);
        for _ in 0..leader.random.below(80) {
            leader.step();
        }
        let (start, time) = (leader.tree.applied(), leader.tree.time());
        let mut image = Image::new();
        let mut cursor = None;
        loop {
            let bytes = 1 + leader.random.below(900) as usize;
            let (records, more) = leader.tree.records_after(cursor.as_ref(), bytes);
            cursor = records.last().map(|(key, _)| key.clone()).or(cursor);
            image.extend(records);
            if !more {
                break;
            }
            for _ in 0..leader.random.below(4) {
                leader.step();
            }
        }
        let end = leader.tree.applied();
        for _ in 0..leader.random.below(20) {
            leader.step();
        }
        let restored = restore(&image, &leader, start, end, time);
        assert_same(&restored, &leader.tree, seed);
    }
}

/// Takes and writes what was changed when the pass began, while transactions go on.
fn checkpoint(leader: &mut Leader, image: &mut Image) -> (Zxid, u64, Zxid) {
    let (start, time) = (leader.tree.applied(), leader.tree.time());
    let mut left = leader.tree.dirty_len();
    while left > 0 {
        let keys = leader.tree.take_dirty(left.min(3));
        left -= keys.len();
        for key in keys {
            match leader.tree.record(&key) {
                Some(record) => image.insert(key, record),
                None => image.remove(&key),
            };
        }
        for _ in 0..leader.random.below(3) {
            leader.step();
        }
    }
    (start, time, leader.tree.applied())
}

#[test]
fn an_image_of_changed_records_and_the_log_give_the_state_even_after_many_restarts() {
    for seed in 0..100 {
        let mut leader = Leader::new(seed + 10_000);
        // Without the root, which is there from the start and may never have changed.
        let mut image = Image::new();
        for _ in 0..6 {
            for _ in 0..leader.random.below(40) {
                leader.step();
            }
            let (start, time, end) = checkpoint(&mut leader, &mut image);
            for _ in 0..leader.random.below(10) {
                leader.step();
            }
            let restored = restore(&image, &leader, start, end, time);
            assert_same(&restored, &leader.tree, seed);
            if leader.random.below(2) == 0 {
                // A restart: from now on only what replay marked as changed is written.
                leader.tree = restored;
            }
        }
    }
}

#[test]
fn the_walk_goes_in_the_order_of_keys() {
    let mut leader = Leader::new(7);
    for _ in 0..500 {
        leader.step();
    }
    let (records, more) = leader.tree.records_after(None, usize::MAX);
    assert!(!more && records.len() > 20);
    assert!(records.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn a_record_under_another_records_key_is_refused() {
    let mut leader = Leader::new(3);
    while leader.tree.session_count() == 0 {
        leader.step();
    }
    let (records, _) = leader.tree.records_after(None, usize::MAX);
    let session = records
        .iter()
        .find(|(key, _)| matches!(key, RecordKey::Session(_)))
        .unwrap();
    let mut builder = TreeBuilder::default();
    let key = RecordKey::Session(zareba_model::SessionId(u64::MAX));
    assert!(builder.add(key, session.1.clone()).is_err());
    assert!(builder.add(RecordKey::Meta, session.1.clone()).is_err());
    assert!(builder.add(session.0.clone(), session.1.clone()).is_ok());
}
