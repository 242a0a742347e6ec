//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};
use zareba_guest_sdk::{Caller, code};

use super::DoubleBarrier;
use super::promise::Together;

fn enter(count: u64) -> Value {
    json!({ "name": "job", "count": count })
}

fn job() -> Value {
    json!({ "name": "job" })
}

fn waits(host: &mut MemoryHost, who: &Caller, count: u64) -> u64 {
    host.call::<DoubleBarrier>(who, "enter", enter(count))
        .unwrap()
        .parked()
}

#[test]
fn all_enter_together_and_all_leave_together() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let first = waits(&mut host, &one, 3);
    let second = waits(&mut host, &two, 3);
    let round = host
        .call::<DoubleBarrier>(&three, "enter", enter(3))
        .unwrap()
        .answer();
    assert_eq!(round["count"], 3);
    for call in [first, second] {
        assert_eq!(host.answer(call), Some(Ok(round.clone())));
    }
    let first = host
        .call::<DoubleBarrier>(&one, "leave", job())
        .unwrap()
        .parked();
    // Whose session ends has left.
    host.end_session::<DoubleBarrier>(two.session).unwrap();
    assert_eq!(host.answer(first), None);
    assert_eq!(
        host.call::<DoubleBarrier>(&three, "leave", job())
            .unwrap()
            .answer(),
        json!({})
    );
    assert_eq!(host.answer(first), Some(Ok(json!({}))));
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn a_timed_entry_that_gives_up_leaves_no_trace_and_lets_nobody_through_alone() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let input = json!({ "name": "job", "count": 2, "timeout_ms": 10 });
    let gave_up = host
        .call::<DoubleBarrier>(&one, "enter", input)
        .unwrap()
        .parked();
    host.advance::<DoubleBarrier>(10).unwrap();
    assert_eq!(
        host.answer(gave_up).unwrap().unwrap_err().code,
        code::OPERATION_TIMEOUT
    );
    assert_eq!(host.paths(), ["@line"]);
    let second = waits(&mut host, &two, 2);
    assert_eq!(host.answer(second), None);
    host.call::<DoubleBarrier>(&three, "enter", enter(2))
        .unwrap()
        .answer();
    assert!(host.answer(second).unwrap().is_ok());
}

#[test]
fn who_comes_while_a_round_is_under_way_enters_the_next() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    host.call::<DoubleBarrier>(&one, "enter", enter(1))
        .unwrap()
        .answer();
    let next = waits(&mut host, &two, 2);
    assert_eq!(
        host.call::<DoubleBarrier>(&three, "enter", enter(3))
            .unwrap_err()
            .code,
        1
    );
    let other = waits(&mut host, &three, 2);
    host.end_session::<DoubleBarrier>(one.session).unwrap();
    for call in [next, other] {
        assert!(host.answer(call).unwrap().is_ok());
    }
    assert_eq!(
        host.call::<DoubleBarrier>(&one, "leave", job())
            .unwrap_err()
            .code,
        2
    );
}

#[test]
fn three_hundred_enter_in_one_transaction() {
    let mut host = MemoryHost::default();
    let callers: Vec<Caller> = (0..300).map(|_| host.open_session()).collect();
    let calls: Vec<u64> = callers[1..]
        .iter()
        .map(|who| waits(&mut host, who, 300))
        .collect();
    host.call::<DoubleBarrier>(&callers[0], "enter", enter(300))
        .unwrap()
        .answer();
    assert!(
        calls
            .iter()
            .all(|call| host.answer(*call).is_some_and(|it| it.is_ok()))
    );
    let fault = host
        .call::<DoubleBarrier>(&callers[0], "enter", enter(301))
        .unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<DoubleBarrier>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn nobody_enters_alone_and_nobody_goes_too_early_whatever_happens() {
    chaos::check::<Together>();
}
