//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::Caller;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::RwLock;
use super::promise::Order;

fn ask(mode: &str) -> Value {
    json!({ "name": "db", "mode": mode })
}

fn db() -> Value {
    json!({ "name": "db" })
}

fn takes(host: &mut MemoryHost, who: &Caller, mode: &str) -> Value {
    host.call::<RwLock>(who, "acquire", ask(mode))
        .unwrap()
        .answer()
}

fn waits(host: &mut MemoryHost, who: &Caller, mode: &str) -> u64 {
    host.call::<RwLock>(who, "acquire", ask(mode))
        .unwrap()
        .parked()
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    takes(&mut host, &one, "read");
    takes(&mut host, &two, "read");
    let writer = waits(&mut host, &three, "write");
    host.call::<RwLock>(&one, "release", db()).unwrap();
    assert_eq!(host.answer(writer), None);
    host.call::<RwLock>(&two, "release", db()).unwrap();
    assert!(host.answer(writer).unwrap().is_ok());
    let reader = waits(&mut host, &one, "read");
    host.end_session::<RwLock>(three.session).unwrap();
    assert!(host.answer(reader).unwrap().is_ok());
    host.call::<RwLock>(&one, "release", db()).unwrap();
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn a_reader_does_not_pass_a_writer_that_waits_and_comes_in_when_that_gives_up() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    takes(&mut host, &one, "read");
    let input = json!({ "name": "db", "mode": "write", "timeout_ms": 10 });
    host.call::<RwLock>(&two, "acquire", input)
        .unwrap()
        .parked();
    let reader = waits(&mut host, &three, "read");
    let now = json!({ "name": "db", "mode": "read", "wait": false });
    assert_eq!(
        host.call::<RwLock>(&two, "acquire", now).unwrap_err().code,
        1
    );
    host.advance::<RwLock>(10).unwrap();
    assert!(host.answer(reader).unwrap().is_ok());
}

#[test]
fn a_writer_becomes_a_reader_with_nobody_in_between() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    takes(&mut host, &one, "write");
    let reader = waits(&mut host, &two, "read");
    let writer = waits(&mut host, &three, "write");
    host.call::<RwLock>(&one, "downgrade", db()).unwrap();
    assert!(host.answer(reader).unwrap().is_ok());
    assert_eq!(host.answer(writer), None);
    assert_eq!(
        host.call::<RwLock>(&one, "downgrade", db())
            .unwrap_err()
            .code,
        2
    );
}

#[test]
fn a_session_with_several_holds_says_which() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let first = takes(&mut host, &one, "read");
    takes(&mut host, &one, "read");
    assert_eq!(
        host.call::<RwLock>(&one, "release", db()).unwrap_err().code,
        3
    );
    let input = json!({ "name": "db", "hold": first["hold"] });
    host.call::<RwLock>(&one, "release", input).unwrap();
    host.call::<RwLock>(&one, "release", db()).unwrap();
    assert!(host.paths().is_empty());
}

#[test]
fn more_readers_than_one_transaction_holds_all_come_in() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    takes(&mut host, &one, "write");
    let calls: Vec<u64> = (0..1_000)
        .map(|_| {
            let reader = host.open_session();
            waits(&mut host, &reader, "read")
        })
        .collect();
    host.call::<RwLock>(&one, "release", db()).unwrap();
    host.advance::<RwLock>(0).unwrap();
    assert!(
        calls
            .iter()
            .all(|call| host.answer(*call).is_some_and(|it| it.is_ok()))
    );
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<RwLock>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn readers_share_and_writers_are_alone_whatever_happens() {
    chaos::check::<Order>();
}
