//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::code;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::Lease;
use super::promise::OneToken;

fn ask(ttl_ms: u64) -> Value {
    json!({ "name": "job", "ttl_ms": ttl_ms })
}

fn of(grant: &Value) -> Value {
    json!({ "name": "job", "token": grant["token"] })
}

#[test]
fn a_lease_lasts_as_long_as_it_is_renewed_and_then_is_the_nexts() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let first = host
        .call::<Lease>(&one, "acquire", ask(100))
        .unwrap()
        .answer();
    let waits = host
        .call::<Lease>(&two, "acquire", ask(100))
        .unwrap()
        .parked();
    host.advance::<Lease>(60).unwrap();
    // The session is over, the lease is not.
    host.end_session::<Lease>(one.session).unwrap();
    let mut renew = of(&first);
    renew["ttl_ms"] = json!(100);
    host.call::<Lease>(&two, "renew", renew.clone()).unwrap();
    host.advance::<Lease>(99).unwrap();
    assert_eq!(host.answer(waits), None);
    host.advance::<Lease>(1).unwrap();
    let second = host.answer(waits).unwrap().unwrap();
    assert!(second["token"].as_u64() > first["token"].as_u64());
    assert_eq!(
        host.call::<Lease>(&two, "renew", renew).unwrap_err().code,
        2
    );
    assert_eq!(
        host.call::<Lease>(&two, "release", of(&first))
            .unwrap_err()
            .code,
        2
    );
    host.call::<Lease>(&two, "release", of(&second)).unwrap();
    assert_eq!(host.paths(), ["@line"]);
    assert_eq!(host.next_alarm(), None);
}

#[test]
fn what_cannot_be_a_lease_is_refused() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    for ttl in [0, 86_400_001] {
        let fault = host.call::<Lease>(&one, "acquire", ask(ttl)).unwrap_err();
        assert_eq!(fault.code, code::BAD_ARGUMENTS);
    }
    host.call::<Lease>(&one, "acquire", ask(5)).unwrap();
    let no_wait = json!({ "name": "job", "ttl_ms": 5, "wait": false });
    assert_eq!(
        host.call::<Lease>(&one, "acquire", no_wait)
            .unwrap_err()
            .code,
        1
    );
    assert_eq!(
        host.ask::<Lease>(&one, "get", json!({ "name": "other" }))
            .unwrap(),
        Value::Null
    );
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Lease>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn one_token_holds_until_its_time_is_over_whatever_happens() {
    chaos::check::<OneToken>();
}
