//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::MultiLock;
use super::promise::AllOrNone;

fn names(names: &[&str]) -> Value {
    json!({ "names": names })
}

#[test]
fn all_are_taken_or_none() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<MultiLock>(&one, "acquire", names(&["b"]))
        .unwrap()
        .answer();
    let both = host
        .call::<MultiLock>(&two, "acquire", names(&["a", "b"]))
        .unwrap()
        .parked();
    assert_eq!(host.paths(), ["@line", "@line/0000000000000004", "b"]);
    host.call::<MultiLock>(&one, "release", names(&["b"]))
        .unwrap();
    let grant = host.answer(both).unwrap().unwrap();
    assert_eq!(grant["names"], json!(["a", "b"]));
    let fault = host
        .call::<MultiLock>(&one, "release", names(&["a"]))
        .unwrap_err();
    assert_eq!(fault.code, 2);
    let fault = host
        .call::<MultiLock>(&two, "acquire", names(&["b", "c"]))
        .unwrap_err();
    assert_eq!(fault.code, 3);
    host.end_session::<MultiLock>(two.session).unwrap();
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn who_waits_is_passed_only_by_those_who_want_something_else() {
    let mut host = MemoryHost::default();
    let [one, two, three, four] = std::array::from_fn(|_| host.open_session());
    host.call::<MultiLock>(&one, "acquire", names(&["a"]))
        .unwrap()
        .answer();
    let second = host
        .call::<MultiLock>(&two, "acquire", names(&["a", "b"]))
        .unwrap()
        .parked();
    // Nobody holds b, but the second waits for it.
    let third = host
        .call::<MultiLock>(&three, "acquire", names(&["b"]))
        .unwrap()
        .parked();
    host.call::<MultiLock>(&four, "acquire", names(&["c"]))
        .unwrap()
        .answer();
    let no_wait = json!({ "names": ["b"], "wait": false });
    assert_eq!(
        host.call::<MultiLock>(&four, "acquire", no_wait)
            .unwrap_err()
            .code,
        1
    );
    host.end_session::<MultiLock>(two.session).unwrap();
    assert!(host.answer(third).unwrap().is_ok());
    assert_eq!(host.answer(second), None);
}

#[test]
fn two_that_want_the_same_in_another_order_do_not_wait_for_each_other() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<MultiLock>(&one, "acquire", names(&["a", "b"]))
        .unwrap()
        .answer();
    let other = host
        .call::<MultiLock>(&two, "acquire", names(&["b", "a"]))
        .unwrap()
        .parked();
    host.call::<MultiLock>(&one, "release", names(&["a"]))
        .unwrap();
    assert_eq!(host.answer(other), None);
    host.call::<MultiLock>(&one, "release", names(&["b"]))
        .unwrap();
    assert!(host.answer(other).unwrap().is_ok());
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<MultiLock>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn locks_are_taken_all_or_none_whatever_happens() {
    chaos::check::<AllOrNone>();
}
