//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::Rendezvous;
use super::promise::BothOrNone;

fn master(value: &str) -> Value {
    json!({ "name": "master", "value": value })
}

fn name() -> Value {
    json!({ "name": "master" })
}

#[test]
fn who_comes_first_waits_and_who_comes_later_does_not() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let waits = host
        .call::<Rendezvous>(&two, "await", name())
        .unwrap()
        .parked();
    host.call::<Rendezvous>(&one, "publish", master("here"))
        .unwrap();
    let found = json!({ "value": "here", "session": one.session });
    assert_eq!(host.answer(waits), Some(Ok(found.clone())));
    assert_eq!(
        host.call::<Rendezvous>(&two, "await", name())
            .unwrap()
            .answer(),
        found
    );
    assert_eq!(
        host.call::<Rendezvous>(&two, "publish", master("there"))
            .unwrap_err()
            .code,
        1
    );
    assert_eq!(
        host.call::<Rendezvous>(&two, "withdraw", name())
            .unwrap_err()
            .code,
        2
    );
    host.end_session::<Rendezvous>(one.session).unwrap();
    assert_eq!(
        host.ask::<Rendezvous>(&two, "get", name()).unwrap(),
        Value::Null
    );
}

#[test]
fn what_is_to_last_outlives_its_publisher() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let lasting = json!({ "name": "master", "value": 1, "lasting": true });
    host.call::<Rendezvous>(&one, "publish", lasting).unwrap();
    host.end_session::<Rendezvous>(one.session).unwrap();
    assert_eq!(host.paths(), ["master"]);
}

#[test]
fn two_exchange_what_they_bring() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let waits = host
        .call::<Rendezvous>(&one, "exchange", master("a"))
        .unwrap()
        .parked();
    let got = host
        .call::<Rendezvous>(&two, "exchange", master("b"))
        .unwrap()
        .answer();
    assert_eq!(got, json!({ "value": "a", "session": one.session }));
    assert_eq!(
        host.answer(waits),
        Some(Ok(json!({ "value": "b", "session": two.session })))
    );
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Rendezvous>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn of_two_who_exchange_both_get_or_none_whatever_happens() {
    chaos::check::<BothOrNone>();
}
