//! The encodings are promises: every sample has exactly the bytes that are kept in testdata/.
//!
//! A failure here means that old clients, old peers or old logs would no longer be understood.
//! After a deliberate change of a format that was never released, write the bytes anew with
//! `ZAREBA_WRITE_GOLDEN="why" cargo test -p zareba-wire --test golden` and commit them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

mod samples;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zareba_model::Relay;
use zareba_wire::frame::LENGTH_BYTES;
use zareba_wire::{
    ClientMessage, ServerMessage, decode, decode_relay, decode_txn, encode_frame, encode_relay,
    encode_txn,
};

fn payload<T: Serialize>(message: &T) -> Vec<u8> {
    let mut frame = BytesMut::new();
    encode_frame(message, &mut frame).unwrap();
    frame[LENGTH_BYTES..].to_vec()
}

/// The name and bytes of every sample, each checked to come back as the value it was.
fn encoded() -> BTreeMap<String, Vec<u8>> {
    fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> Vec<u8> {
        let bytes = payload(value);
        assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
        bytes
    }
    let mut all = BTreeMap::new();
    for (name, message) in samples::client() {
        assert!(all.insert(name, check::<ClientMessage>(&message)).is_none());
    }
    for (name, message) in samples::server() {
        assert!(all.insert(name, check::<ServerMessage>(&message)).is_none());
    }
    for (name, relay) in samples::relays() {
        let bytes = encode_relay(&relay).unwrap();
        assert_eq!(decode_relay(&bytes).as_ref(), Ok(&relay));
        assert_eq!(check::<Relay>(&relay), bytes);
        assert!(all.insert(name, bytes.to_vec()).is_none());
    }
    for (name, txn) in samples::txns() {
        let bytes = encode_txn(&txn).unwrap();
        assert_eq!(decode_txn(&bytes).as_ref(), Ok(&txn));
        assert!(all.insert(name, bytes.to_vec()).is_none());
    }
    all
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v2")
}

/// Bytes as lines of 32, so that a change shows as a short diff.
fn to_hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| hex::encode(bytes) + "\n";
    bytes.chunks(32).map(line).collect()
}

#[test]
fn every_message_has_the_bytes_that_were_promised() {
    let reason = std::env::var("ZAREBA_WRITE_GOLDEN").unwrap_or_default();
    let encoded = encoded();
    if !reason.is_empty() {
        for (name, bytes) in &encoded {
            fs::write(testdata().join(format!("{name}.hex")), to_hex(bytes)).unwrap();
        }
        println!("wrote {} golden files: {reason}", encoded.len());
    }
    for (name, bytes) in &encoded {
        let file = testdata().join(format!("{name}.hex"));
        let kept = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{name} has no golden file: {error}"));
        assert_eq!(to_hex(bytes), kept, "the bytes of {name} have changed");
    }
    let mut kept: Vec<String> = fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    let mut expected: Vec<String> = encoded.keys().map(|name| format!("{name}.hex")).collect();
    expected.sort();
    assert_eq!(kept, expected, "testdata/v2 and the samples differ");
}

#[test]
fn nested_multi_outcomes_are_refused_without_recursion() {
    // Reply, xid, epoch, counter, Ok, then a multi of one multi of one multi and so on.
    let mut bytes = vec![1, 0, 0, 0, 0];
    for _ in 0..2_000_000 {
        bytes.extend_from_slice(&[4, 1]);
    }
    assert!(decode::<ServerMessage>(&bytes).is_err());
    let honest = [&bytes[..5], &[4, 1, 2][..]].concat();
    assert!(decode::<ServerMessage>(&honest).is_ok());
}
