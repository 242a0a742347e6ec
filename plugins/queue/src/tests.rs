//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::Caller;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::Queue;
use super::promise::NothingLost;

fn put(host: &mut MemoryHost, who: &Caller, input: Value) -> String {
    let id = host.call::<Queue>(who, "put", input).unwrap().answer();
    id["id"].as_str().unwrap().to_owned()
}

fn work(data: &str) -> Value {
    json!({ "queue": "work", "data": data })
}

fn take(host: &mut MemoryHost, who: &Caller) -> Value {
    host.call::<Queue>(who, "take", json!({ "queue": "work" }))
        .unwrap()
        .answer()
}

fn wait(host: &mut MemoryHost, who: &Caller) -> u64 {
    host.call::<Queue>(who, "take", json!({ "queue": "work" }))
        .unwrap()
        .parked()
}

fn of(id: &Value) -> Value {
    json!({ "queue": "work", "id": id })
}

#[test]
fn items_come_by_priority_and_then_by_age() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    put(&mut host, &one, work("a"));
    put(&mut host, &one, work("b"));
    put(
        &mut host,
        &one,
        json!({ "queue": "work", "data": "urgent", "priority": 1 }),
    );
    let taken: Vec<Value> = (0..3)
        .map(|_| take(&mut host, &one)["data"].clone())
        .collect();
    assert_eq!(taken, ["urgent", "a", "b"]);
    let no_wait = json!({ "queue": "work", "wait": false });
    assert_eq!(
        host.call::<Queue>(&one, "take", no_wait).unwrap_err().code,
        1
    );
}

#[test]
fn who_waits_gets_an_item_in_the_transaction_that_puts_it() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let first = wait(&mut host, &one);
    let second = wait(&mut host, &two);
    let items =
        json!({ "queue": "work", "items": [{ "data": "a" }, { "data": "b" }, { "data": "c" }] });
    host.call::<Queue>(&three, "put_all", items).unwrap();
    assert_eq!(host.answer(first).unwrap().unwrap()["data"], "a");
    assert_eq!(host.answer(second).unwrap().unwrap()["data"], "b");
    let state = host
        .ask::<Queue>(&one, "state", json!({ "queue": "work" }))
        .unwrap();
    assert_eq!(
        state,
        json!({ "ready": 1, "later": 0, "taken": 2, "dead": 0, "takers": 0 })
    );
}

#[test]
fn a_worker_says_what_is_done_and_takes_the_next_in_one_call() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let items =
        json!({ "queue": "work", "items": [{ "data": "a" }, { "data": "b" }, { "data": "c" }] });
    host.call::<Queue>(&two, "put_all", items).unwrap();
    let batch = |acks: &[Value]| json!({ "queue": "work", "most": 2, "acks": acks });
    let call = |host: &mut MemoryHost, input| host.call::<Queue>(&one, "take_all", input);
    let taken = call(&mut host, batch(&[])).unwrap().answer();
    let ids: Vec<Value> = (0..2).map(|it| taken["items"][it]["id"].clone()).collect();
    assert_eq!(taken["items"][1]["data"], "b");
    let taken = call(&mut host, batch(&ids)).unwrap().answer();
    assert_eq!(taken["items"].as_array().unwrap().len(), 1);
    // What is done already is not hers any more, and then nothing is done.
    let last = taken["items"][0]["id"].clone();
    let twice = batch(&[last.clone(), ids[0].clone()]);
    assert_eq!(call(&mut host, twice).unwrap_err().code, 2);
    let waits = call(&mut host, batch(&[last])).unwrap().parked();
    let state = host.ask::<Queue>(&one, "state", json!({ "queue": "work" }));
    let nothing = json!({ "ready": 0, "later": 0, "taken": 0, "dead": 0, "takers": 1 });
    assert_eq!(state.unwrap(), nothing);
    put(&mut host, &two, work("d"));
    let taken = host.answer(waits).unwrap().unwrap();
    assert_eq!(taken["items"][0]["data"], "d");
    let done = json!({ "queue": "work", "ids": [taken["items"][0]["id"]] });
    host.call::<Queue>(&one, "ack_all", done).unwrap();
    assert_eq!(host.next_alarm(), None);
}

#[test]
fn an_item_whose_taker_dies_is_anothers_in_the_same_transaction() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    put(&mut host, &one, work("a"));
    take(&mut host, &one);
    let waits = wait(&mut host, &two);
    host.end_session::<Queue>(one.session).unwrap();
    let taken = host.answer(waits).unwrap().unwrap();
    assert_eq!(
        (&taken["data"], &taken["attempt"]),
        (&json!("a"), &json!(2))
    );
    host.call::<Queue>(&two, "ack", of(&taken["id"])).unwrap();
    assert_eq!(host.next_alarm(), None);
    assert_eq!(
        host.paths(),
        ["@hands", "@line", "work", "work/ready", "work/taken"]
    );
}

#[test]
fn who_dies_with_more_items_than_a_transaction_has_room_for_gives_all_of_them_back() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let hundred: Vec<Value> = (0..100).map(|_| json!({ "data": "x" })).collect();
    for _ in 0..7 {
        let items = json!({ "queue": "work", "items": hundred });
        host.call::<Queue>(&two, "put_all", items).unwrap();
        let most = json!({ "queue": "work", "most": 100 });
        host.call::<Queue>(&one, "take_all", most).unwrap();
    }
    let other = json!({ "queue": "work", "data": "y" });
    host.call::<Queue>(&two, "put", other).unwrap();
    let of_other = take(&mut host, &two)["id"].clone();
    host.end_session::<Queue>(one.session).unwrap();
    host.advance::<Queue>(0).unwrap();
    let state = host.ask::<Queue>(&two, "state", json!({ "queue": "work" }));
    let all_but_one = json!({ "ready": 700, "later": 0, "taken": 1, "dead": 0, "takers": 0 });
    assert_eq!(state.unwrap(), all_but_one);
    host.call::<Queue>(&two, "ack", of(&of_other)).unwrap();
    assert_eq!(host.next_alarm(), None);
}

#[test]
fn what_is_taken_together_is_extended_apart() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let items = json!({ "queue": "work", "items": [{ "data": "a" }, { "data": "b" }] });
    host.call::<Queue>(&one, "put_all", items).unwrap();
    let both = json!({ "queue": "work", "most": 2, "lease_ms": 100 });
    let taken = host.call::<Queue>(&one, "take_all", both).unwrap().answer();
    let second = taken["items"][1]["id"].clone();
    let longer = json!({ "queue": "work", "id": second, "lease_ms": 200 });
    host.call::<Queue>(&one, "extend", longer).unwrap();
    host.advance::<Queue>(150).unwrap();
    let state = host.ask::<Queue>(&one, "state", json!({ "queue": "work" }));
    let one_each = json!({ "ready": 1, "later": 0, "taken": 1, "dead": 0, "takers": 0 });
    assert_eq!(state.unwrap(), one_each);
    host.call::<Queue>(&one, "ack", of(&second)).unwrap();
}

#[test]
fn an_item_whose_lease_is_over_is_ready_again_and_its_late_taker_is_refused() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    put(&mut host, &one, work("a"));
    let input = json!({ "queue": "work", "lease_ms": 100 });
    let taken = host.call::<Queue>(&one, "take", input).unwrap().answer();
    host.advance::<Queue>(60).unwrap();
    let longer = json!({ "queue": "work", "id": taken["id"], "lease_ms": 100 });
    host.call::<Queue>(&one, "extend", longer).unwrap();
    host.advance::<Queue>(60).unwrap();
    let waits = wait(&mut host, &two);
    assert_eq!(host.answer(waits), None);
    host.advance::<Queue>(40).unwrap();
    assert_eq!(host.answer(waits).unwrap().unwrap()["id"], taken["id"]);
    let late = host
        .call::<Queue>(&one, "ack", of(&taken["id"]))
        .unwrap_err();
    assert_eq!(late.code, 2);
}

#[test]
fn what_is_given_back_too_often_is_put_among_the_dead_and_may_be_revived() {
    let mut host = MemoryHost::default();
    host.config.insert("max_attempts".into(), "2".into());
    let one = host.open_session();
    let id = put(&mut host, &one, work("poison"));
    for _ in 0..2 {
        let taken = take(&mut host, &one);
        host.call::<Queue>(&one, "nack", of(&taken["id"])).unwrap();
    }
    let dead = host
        .ask::<Queue>(&one, "dead", json!({ "queue": "work" }))
        .unwrap();
    assert_eq!(dead, json!([{ "id": id, "data": "poison", "attempts": 2 }]));
    host.call::<Queue>(&one, "revive", of(&json!(id))).unwrap();
    assert_eq!(take(&mut host, &one)["attempt"], 1);
    let fault = host
        .call::<Queue>(&one, "bury", of(&json!(id)))
        .unwrap_err();
    assert_eq!(fault.code, 3);
}

#[test]
fn a_delayed_item_waits_for_its_time() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    put(
        &mut host,
        &one,
        json!({ "queue": "work", "data": "later", "delay_ms": 500 }),
    );
    let waits = wait(&mut host, &one);
    host.advance::<Queue>(499).unwrap();
    assert_eq!(host.answer(waits), None);
    host.advance::<Queue>(1).unwrap();
    let taken = host.answer(waits).unwrap().unwrap();
    let again = json!({ "queue": "work", "id": taken["id"], "delay_ms": 10 });
    host.call::<Queue>(&one, "nack", again).unwrap();
    let waits = wait(&mut host, &one);
    host.advance::<Queue>(10).unwrap();
    assert_eq!(host.answer(waits).unwrap().unwrap()["attempt"], 2);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Queue>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn no_item_is_lost_or_done_twice_whatever_happens() {
    chaos::check::<NothingLost>();
}
