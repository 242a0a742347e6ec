//! A snapshot's pieces, or an image's records, and the tree that is made of them. Must never know how
//! they came.

use bytes::Bytes;
use zareba_model::Zxid;
use zareba_tree::{Record, RecordKey, RestoreError, Tree, TreeBuilder};
use zareba_wire::{decode_record, encode_record};

use crate::encoded::DECODED;
use crate::memory::{Bound, within};

/// Of a path of one byte: a node, its place in its parent, and in two indices.
const TREE: Bound = Bound::per_byte(4096).and(1 << 20);

/// A piece of a snapshot, as the replica takes it apart; what it holds becomes a tree, and the tree's
/// own records become the same tree.
pub(crate) fn snapshot(bytes: &[u8]) {
    let piece = within(DECODED, bytes.len(), || {
        decode_record::<Vec<(Bytes, Bytes)>>(bytes)
    });
    let Ok(piece) = piece else { return };
    let records: Vec<_> = piece
        .iter()
        .filter_map(|(key, value)| {
            let key = decode_record::<RecordKey>(key).ok()?;
            Some((key, decode_record::<Record>(value).ok()?))
        })
        .collect();
    let Ok(tree) = within(TREE, bytes.len(), || build(records)) else {
        return;
    };
    let (records, is_more) = tree.records_after(None, usize::MAX);
    assert!(!is_more, "a walk without a bound reaches the end");
    let again = match build(records) {
        Ok(again) => again,
        Err(error) => panic!("a tree's own records are refused: {error}"),
    };
    assert_eq!(again.digest(), tree.digest());
}

fn build(records: Vec<(RecordKey, Record)>) -> Result<Tree, RestoreError> {
    let mut builder = TreeBuilder::default();
    for (key, record) in records {
        builder.add(key, record)?;
    }
    Ok(builder.finish(Zxid::new(2, 9), Zxid::new(2, 9), 7))
}

/// A piece of every record of a tree.
pub(crate) fn seed(tree: &Tree) -> Option<Bytes> {
    let (records, _) = tree.records_after(None, usize::MAX);
    let piece: Option<Vec<(Bytes, Bytes)>> = records
        .iter()
        .map(|(key, record)| Some((encode_record(key).ok()?, encode_record(record).ok()?)))
        .collect();
    encode_record(&piece?).ok()
}
