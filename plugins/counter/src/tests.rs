//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};
use zareba_guest_sdk::{Host, code};

use super::Counter;
use super::promise::Sums;

#[test]
fn a_counter_counts_from_nothing_up_and_down_within_its_bounds() {
    let mut host = MemoryHost::default();
    host.config.insert("max".into(), "5".into());
    let one = host.open_session();
    let mut add = |input: Value| host.call::<Counter>(&one, "add", input);
    assert_eq!(
        add(json!({ "name": "n" })).unwrap().answer(),
        json!({ "value": 1 })
    );
    assert_eq!(
        add(json!({ "name": "n", "by": 4 })).unwrap().answer(),
        json!({ "value": 5 })
    );
    assert_eq!(add(json!({ "name": "n" })).unwrap_err().code, 1);
    assert_eq!(
        add(json!({ "name": "n", "by": -6, "min": 0 }))
            .unwrap_err()
            .code,
        1
    );
    assert_eq!(
        add(json!({ "name": "n", "by": i64::MIN }))
            .unwrap()
            .answer(),
        json!({ "value": i64::MIN + 5 })
    );
    assert_eq!(add(json!({ "name": "n", "by": -6 })).unwrap_err().code, 1);
    assert_eq!(
        host.get("n").unwrap().0,
        (i64::MIN + 5).to_string().as_bytes()
    );
}

#[test]
fn several_are_added_to_all_or_none() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let by = json!({ "by": { "a": 1, "b": 2 }, "max": 2 });
    let values = host
        .call::<Counter>(&one, "add_all", by.clone())
        .unwrap()
        .answer();
    assert_eq!(values, json!({ "values": { "a": 1, "b": 2 } }));
    assert_eq!(
        host.call::<Counter>(&one, "add_all", by).unwrap_err().code,
        1
    );
    let list = host.ask::<Counter>(&one, "list", json!({})).unwrap();
    assert_eq!(list, values);
}

#[test]
fn a_counter_is_set_only_if_it_is_what_was_expected() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let set = json!({ "name": "n", "value": 7, "expect": 0 });
    assert_eq!(
        host.call::<Counter>(&one, "set", set.clone())
            .unwrap()
            .answer(),
        json!({ "value": 7 })
    );
    let fault = host.call::<Counter>(&one, "set", set).unwrap_err();
    assert_eq!(
        (fault.code, fault.message.as_str()),
        (2, "\"n\" is 7, not 0")
    );
    let was = host
        .call::<Counter>(&one, "remove", json!({ "name": "n" }))
        .unwrap()
        .answer();
    assert_eq!(was, json!({ "value": 7 }));
    assert_eq!(
        host.ask::<Counter>(&one, "get", json!({ "name": "n" }))
            .unwrap(),
        json!({ "value": 0 })
    );
}

#[test]
fn a_config_that_is_no_number_is_named() {
    let mut host = MemoryHost::default();
    host.config.insert("min".into(), "low".into());
    let one = host.open_session();
    let fault = host
        .call::<Counter>(&one, "add", json!({ "name": "n" }))
        .unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
    assert!(fault.message.contains("min=\"low\""), "{}", fault.message);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Counter>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn nothing_is_lost_or_counted_twice_whatever_happens() {
    chaos::check::<Sums>();
}
