//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::code;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::Semaphore;
use super::promise::NeverTooMany;

fn of(permits: u64) -> MemoryHost {
    let mut host = MemoryHost::default();
    host.config.insert("permits".into(), permits.to_string());
    host
}

fn ask(permits: u64) -> Value {
    json!({ "name": "gate", "permits": permits })
}

fn gate() -> Value {
    json!({ "name": "gate" })
}

#[test]
fn permits_are_taken_in_order_and_a_large_wish_is_not_passed_by_small_ones() {
    let mut host = of(3);
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    host.call::<Semaphore>(&one, "acquire", ask(2))
        .unwrap()
        .answer();
    let large = host
        .call::<Semaphore>(&two, "acquire", ask(3))
        .unwrap()
        .parked();
    let small = host
        .call::<Semaphore>(&three, "acquire", ask(1))
        .unwrap()
        .parked();
    host.call::<Semaphore>(&one, "release", gate()).unwrap();
    assert!(host.answer(large).unwrap().is_ok());
    assert_eq!(host.answer(small), None);
    host.end_session::<Semaphore>(two.session).unwrap();
    assert!(host.answer(small).unwrap().is_ok());
    let state = host.ask::<Semaphore>(&one, "state", gate()).unwrap();
    assert_eq!(
        (&state["permits"], &state["free"], &state["waiters"]),
        (&json!(3), &json!(2), &json!(0))
    );
    host.call::<Semaphore>(&three, "release", gate()).unwrap();
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn who_waits_for_more_than_there_is_is_told_when_it_shrinks() {
    let mut host = of(3);
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<Semaphore>(&one, "acquire", ask(1))
        .unwrap()
        .answer();
    let large = host
        .call::<Semaphore>(&two, "acquire", ask(3))
        .unwrap()
        .parked();
    host.call::<Semaphore>(&two, "resize", ask(2)).unwrap();
    assert_eq!(host.answer(large).unwrap().unwrap_err().code, 4);
    assert_eq!(
        host.call::<Semaphore>(&two, "acquire", ask(3))
            .unwrap_err()
            .code,
        4
    );
    host.call::<Semaphore>(&two, "acquire", ask(1))
        .unwrap()
        .answer();
    let no_wait = json!({ "name": "gate", "wait": false });
    assert_eq!(
        host.call::<Semaphore>(&two, "acquire", no_wait)
            .unwrap_err()
            .code,
        1
    );
}

#[test]
fn a_semaphore_without_a_size_is_refused_with_what_to_do() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let fault = host.call::<Semaphore>(&one, "acquire", ask(1)).unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
    assert!(fault.message.contains("permits=N"), "{}", fault.message);
}

/// kazoo#213 and CURATOR-315: two clients that asked at once both saw a permit free; and permits of clients
/// that died in between stayed taken.
#[test]
fn no_permit_is_given_twice_and_none_stays_with_the_dead() {
    let mut host = of(2);
    let callers: [_; 4] = std::array::from_fn(|_| host.open_session());
    for who in &callers[..2] {
        host.call::<Semaphore>(who, "acquire", ask(1))
            .unwrap()
            .answer();
    }
    let waiting = [&callers[2], &callers[3]].map(|who| {
        host.call::<Semaphore>(who, "acquire", ask(1))
            .unwrap()
            .parked()
    });
    host.end_session::<Semaphore>(callers[0].session).unwrap();
    assert!(host.answer(waiting[0]).unwrap().is_ok());
    assert_eq!(host.answer(waiting[1]), None);
    let state = host.ask::<Semaphore>(&callers[1], "state", gate()).unwrap();
    assert_eq!(state["free"], json!(0));
    for who in &callers[1..] {
        host.end_session::<Semaphore>(who.session).unwrap();
    }
    let last = host.open_session();
    let state = host.ask::<Semaphore>(&last, "state", gate()).unwrap();
    assert_eq!((&state["free"], &state["waiters"]), (&json!(2), &json!(0)));
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Semaphore>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn no_more_permits_are_held_than_there_are_whatever_happens() {
    chaos::check::<NeverTooMany>();
}
