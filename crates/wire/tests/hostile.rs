//! Bytes from strangers: cut, flipped and random ones are errors or values, never a panic, and
//! never take memory that the bytes themselves did not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

mod samples;

use bytes::BytesMut;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zareba_model::limits::FRAME_BYTES_MAX;
use zareba_wire::frame::LENGTH_BYTES;
use zareba_wire::{
    ClientMessage, FrameDecoder, ServerMessage, WireError, decode, decode_relay, decode_txn,
    encode_frame, encode_relay, encode_txn,
};

fn corpus() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut frame = BytesMut::new();
    for (_, message) in samples::client() {
        encode_frame(&message, &mut frame).unwrap();
        all.push(frame.split()[LENGTH_BYTES..].to_vec());
    }
    for (_, message) in samples::server() {
        encode_frame(&message, &mut frame).unwrap();
        all.push(frame.split()[LENGTH_BYTES..].to_vec());
    }
    for (_, relay) in samples::relays() {
        all.push(encode_relay(&relay).unwrap().to_vec());
    }
    for (_, txn) in samples::txns() {
        all.push(encode_txn(&txn).unwrap().to_vec());
    }
    all
}

/// Shows the bytes to every decoder, whatever they were meant for.
fn decode_everything(bytes: &[u8]) {
    let _ = decode::<ClientMessage>(bytes);
    let _ = decode::<ServerMessage>(bytes);
    let _ = decode_relay(bytes);
    let _ = decode_txn(bytes);
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    decoder.feed(bytes);
    while let Ok(Some(frame)) = decoder.next_frame() {
        assert!(frame.len() <= bytes.len());
    }
}

#[test]
fn no_prefix_of_a_message_is_a_message() {
    for (_, message) in samples::client() {
        let mut frame = BytesMut::new();
        encode_frame(&message, &mut frame).unwrap();
        let payload = &frame[LENGTH_BYTES..];
        for end in 0..payload.len() {
            assert!(decode::<ClientMessage>(&payload[..end]).is_err());
            decode_everything(&payload[..end]);
        }
    }
    for (_, txn) in samples::txns() {
        let bytes = encode_txn(&txn).unwrap();
        for end in 0..bytes.len() {
            assert!(decode_txn(&bytes[..end]).is_err());
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    for bytes in corpus() {
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            decode_everything(&damaged);
        }
    }
}

#[test]
fn random_and_spliced_bytes_never_panic() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let corpus = corpus();
    for _ in 0..50_000 {
        let mut bytes = vec![0; rng.random_range(0..200)];
        rng.fill_bytes(&mut bytes);
        decode_everything(&bytes);
        let mut spliced = corpus[rng.random_range(0..corpus.len())].clone();
        let at = rng.random_range(0..=spliced.len());
        spliced.truncate(at);
        spliced.extend_from_slice(&bytes);
        decode_everything(&spliced);
    }
}

#[test]
fn a_huge_announced_collection_is_refused_at_once() {
    // An attach whose list of watches claims 2^60 members and holds none.
    let mut bytes = vec![0, 1, 1, 1];
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    let refused = decode::<ClientMessage>(&bytes);
    assert!(matches!(refused, Err(WireError::Malformed(_))));
}
