//! Bytes and back: what every request, reply and transaction of 1 KiB pays for its encoding.
//! Must never see a socket.

#![expect(
    clippy::expect_used,
    reason = "a benchmark's set-up either works or says where it does not"
)]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zareba_benches::requests::{node, set, set_txn, stat, value};
use zareba_model::limits::FRAME_BYTES_MAX;
use zareba_model::{Acked, Outcome, Xid, Zxid};
use zareba_wire::{
    ClientMessage, FrameDecoder, ServerMessage, decode, decode_txn, encode_frame, encode_txn,
};

fn frame<M: Serialize + DeserializeOwned>(c: &mut Criterion, name: &str, message: &M) {
    let mut group = c.benchmark_group("wire_codec");
    group.throughput(Throughput::Elements(1));
    let mut out = BytesMut::new();
    group.bench_function(format!("{name}/encode"), |b| {
        b.iter(|| {
            out.clear();
            encode_frame(black_box(message), &mut out).expect("it fits a frame");
            out.len()
        });
    });
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    group.bench_function(format!("{name}/decode"), |b| {
        b.iter(|| {
            decoder.feed(black_box(&out));
            let payload = decoder.next_frame().expect("it is a frame");
            let payload = payload.expect("it is whole");
            decode::<M>(&payload).expect("it is a message")
        });
    });
    group.finish();
}

fn messages(c: &mut Criterion) {
    let request = ClientMessage::Request {
        xid: Xid(1_000_000),
        acked: Acked::up_to(Xid(999_900)),
        op: set(node(1), value()),
    };
    frame(c, "request_set_1KiB", &request);
    let reply = ServerMessage::Reply {
        xid: Xid(1_000_000),
        zxid: Zxid::new(3, 2_000_000),
        answer: Ok(Outcome::Got {
            data: value(),
            stat: stat(3),
        }),
    };
    frame(c, "reply_get_1KiB", &reply);
}

fn transactions(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire_codec");
    group.throughput(Throughput::Elements(1));
    let txn = set_txn(node(1), 1_000_000, 3);
    group.bench_function("txn_set_1KiB/encode", |b| {
        b.iter(|| encode_txn(black_box(&txn)).expect("it fits the log"));
    });
    let bytes = encode_txn(&txn).expect("it fits the log");
    group.bench_function("txn_set_1KiB/decode", |b| {
        b.iter(|| decode_txn(black_box(&bytes)).expect("it is a transaction"));
    });
    group.finish();
}

criterion_group!(benches, messages, transactions);
criterion_main!(benches);
