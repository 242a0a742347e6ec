//! Bytes from strangers: cut, flipped and random ones are errors or values, never a panic, and
//! never take memory that the bytes themselves did not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

mod samples;

use bytes::BytesMut;
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

/// SplitMix64: a pure room has no random crate, and this test needs only the same noise each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[test]
fn random_and_spliced_bytes_never_panic() {
    let mut noise = Noise(7);
    let corpus = corpus();
    for _ in 0..50_000 {
        let length = noise.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| noise.next() as u8).collect();
        decode_everything(&bytes);
        let mut spliced = corpus[noise.below(corpus.len())].clone();
        spliced.truncate(noise.below(spliced.len() + 1));
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
