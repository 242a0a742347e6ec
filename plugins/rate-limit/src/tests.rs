//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::code;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::RateLimit;
use super::promise::NeverTooFast;

fn of(per_second: u64, burst: u64) -> MemoryHost {
    let mut host = MemoryHost::default();
    host.now = 1_000_000;
    host.config
        .insert("per_second".into(), per_second.to_string());
    host.config.insert("burst".into(), burst.to_string());
    host
}

fn ask(permits: u64, wait: bool) -> Value {
    json!({ "name": "api", "permits": permits, "wait": wait })
}

#[test]
fn a_burst_is_taken_at_once_and_more_as_time_brings_it() {
    let mut host = of(10, 5);
    let one = host.open_session();
    for left in (0..5).rev() {
        let taken = host
            .call::<RateLimit>(&one, "take", ask(1, false))
            .unwrap()
            .answer();
        assert_eq!(taken, json!({ "left": left }));
    }
    let fault = host
        .call::<RateLimit>(&one, "take", ask(2, false))
        .unwrap_err();
    assert_eq!(fault.code, 1);
    assert!(fault.message.contains("in 200 ms"), "{}", fault.message);
    host.advance::<RateLimit>(199).unwrap();
    assert_eq!(
        host.call::<RateLimit>(&one, "take", ask(2, false))
            .unwrap_err()
            .code,
        1
    );
    host.advance::<RateLimit>(1).unwrap();
    host.call::<RateLimit>(&one, "take", ask(2, false)).unwrap();
    assert_eq!(
        host.call::<RateLimit>(&one, "take", ask(6, true))
            .unwrap_err()
            .code,
        2
    );
}

#[test]
fn those_who_wait_are_served_in_order_when_the_bucket_has_filled() {
    let mut host = of(10, 5);
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<RateLimit>(&one, "take", ask(5, false)).unwrap();
    let large = host
        .call::<RateLimit>(&one, "take", ask(3, true))
        .unwrap()
        .parked();
    let small = host
        .call::<RateLimit>(&two, "take", ask(1, true))
        .unwrap()
        .parked();
    // A small wish does not pass a large one, nor does one that would not wait.
    host.advance::<RateLimit>(200).unwrap();
    assert_eq!((host.answer(large), host.answer(small)), (None, None));
    assert_eq!(
        host.call::<RateLimit>(&two, "take", ask(1, false))
            .unwrap_err()
            .code,
        1
    );
    host.advance::<RateLimit>(100).unwrap();
    assert!(host.answer(large).unwrap().is_ok());
    assert_eq!(host.answer(small), None);
    host.advance::<RateLimit>(100).unwrap();
    assert!(host.answer(small).unwrap().is_ok());
    let state = host
        .ask::<RateLimit>(&one, "state", json!({ "name": "api" }))
        .unwrap();
    assert_eq!(
        state,
        json!({ "per_second": 10, "burst": 5, "left": 0, "waiters": 0 })
    );
}

#[test]
fn a_limit_of_its_own_and_none_at_all() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let fault = host
        .call::<RateLimit>(&one, "take", ask(1, false))
        .unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
    let set = json!({ "name": "api", "per_second": 1, "burst": 2 });
    host.call::<RateLimit>(&one, "set", set).unwrap();
    host.call::<RateLimit>(&one, "take", ask(2, false)).unwrap();
    let waits = host
        .call::<RateLimit>(&one, "take", ask(2, true))
        .unwrap()
        .parked();
    let set = json!({ "name": "api", "per_second": 1, "burst": 1 });
    host.call::<RateLimit>(&one, "set", set).unwrap();
    assert_eq!(host.answer(waits).unwrap().unwrap_err().code, 2);
    let never = json!({ "name": "api", "per_second": 0, "burst": 1 });
    assert_eq!(
        host.call::<RateLimit>(&one, "set", never).unwrap_err().code,
        code::BAD_ARGUMENTS
    );
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<RateLimit>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn never_more_is_taken_than_the_burst_and_what_time_brings_whatever_happens() {
    chaos::check::<NeverTooFast>();
}
