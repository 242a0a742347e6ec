//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, Reply};
use zareba_guest_sdk::{Caller, Fault, Plugin, code};

use super::Lock;
use super::lock::{ALREADY_WAITING, HELD, NOT_THE_HOLDER};

fn call(host: &mut MemoryHost, who: &Caller, op: &str, input: Value) -> Result<Reply, Fault> {
    host.command::<Lock>(who, op, input.to_string().as_bytes())
}

fn token(reply: Result<Reply, Fault>) -> u64 {
    match reply.unwrap() {
        Reply::Done(bytes) => parse(&bytes)["token"].as_u64().unwrap(),
        Reply::Parked(call) => panic!("parked as {call}"),
    }
}

fn parked(reply: Result<Reply, Fault>) -> u64 {
    match reply.unwrap() {
        Reply::Parked(call) => call,
        Reply::Done(bytes) => panic!("answered {}", String::from_utf8_lossy(&bytes)),
    }
}

fn granted(host: &MemoryHost, call: u64) -> u64 {
    let answer = host.answer(call).expect("an answer").as_ref().unwrap();
    parse(answer)["token"].as_u64().unwrap()
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn db() -> Value {
    json!({ "name": "db" })
}

#[test]
fn a_free_lock_is_taken_at_once_and_leaves_nothing_when_released() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    assert!(token(call(&mut host, &one, "acquire", db())) > 0);
    assert_eq!(host.paths(), ["db"]);
    call(&mut host, &one, "release", db()).unwrap();
    assert!(host.paths().is_empty());
}

#[test]
fn waiters_are_granted_in_order_with_growing_tokens() {
    let mut host = MemoryHost::default();
    let callers: Vec<Caller> = (0..4).map(|_| host.open_session()).collect();
    let mut last = token(call(&mut host, &callers[0], "acquire", db()));
    let calls: Vec<u64> = callers[1..]
        .iter()
        .map(|who| parked(call(&mut host, who, "acquire", db())))
        .collect();
    for (holder, waiting) in callers.iter().zip(&calls) {
        assert_eq!(host.answer(*waiting), None);
        call(&mut host, holder, "release", db()).unwrap();
        let next = granted(&host, *waiting);
        assert!(next > last, "{next} after {last}");
        last = next;
    }
    call(&mut host, &callers[3], "release", db()).unwrap();
    assert_eq!(host.paths(), ["@waiting"]);
}

#[test]
fn a_session_that_ends_hands_its_lock_on_and_takes_its_waits_along() {
    let mut host = MemoryHost::default();
    let (one, two, three) = (
        host.open_session(),
        host.open_session(),
        host.open_session(),
    );
    token(call(&mut host, &one, "acquire", db()));
    token(call(&mut host, &two, "acquire", json!({"name": "log"})));
    let first = parked(call(&mut host, &two, "acquire", db()));
    let second = parked(call(
        &mut host,
        &three,
        "acquire",
        json!({"name": "db", "data": "me"}),
    ));
    host.end_session::<Lock>(two.session).unwrap();
    host.end_session::<Lock>(one.session).unwrap();
    assert_eq!(host.answer(first), None);
    assert!(granted(&host, second) > 0);
    assert_eq!(host.paths(), ["@waiting", "db"]);
    let holders = host.query::<Lock>(&three, "holders", b"{}").unwrap();
    assert_eq!(parse(&holders)[0]["session"], three.session);
    assert_eq!(parse(&holders)[0]["data"], "me");
}

#[test]
fn a_holder_and_first_waiter_ending_together_never_own_the_lock_again() {
    let mut host = MemoryHost::default();
    let (one, two) = (host.open_session(), host.open_session());
    token(call(&mut host, &one, "acquire", json!({"name": "log"})));
    token(call(&mut host, &two, "acquire", db()));
    parked(call(&mut host, &two, "acquire", json!({"name": "log"})));
    parked(call(&mut host, &one, "acquire", db()));
    host.end_session::<Lock>(one.session).unwrap();
    assert_eq!(host.paths(), ["@waiting", "db", "log"]);
    host.end_session::<Lock>(two.session).unwrap();
    assert_eq!(host.paths(), ["@waiting"]);
}

#[test]
fn holding_is_reentrant_and_gives_the_same_token() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let first = token(call(&mut host, &one, "acquire", db()));
    assert_eq!(token(call(&mut host, &one, "acquire", db())), first);
    assert_eq!(token(call(&mut host, &one, "try", db())), first);
}

#[test]
fn who_will_not_wait_is_told_that_the_lock_is_held() {
    let mut host = MemoryHost::default();
    let (one, two) = (host.open_session(), host.open_session());
    token(call(&mut host, &one, "acquire", db()));
    let unwilling = json!({"name": "db", "wait": false});
    for (op, input) in [("try", db()), ("acquire", unwilling)] {
        assert_eq!(call(&mut host, &two, op, input).unwrap_err().code, HELD);
    }
    assert!(host.parked().is_empty());
}

#[test]
fn only_the_holder_may_release() {
    let mut host = MemoryHost::default();
    let (one, two) = (host.open_session(), host.open_session());
    let refused = call(&mut host, &one, "release", db()).unwrap_err();
    assert_eq!(refused.code, NOT_THE_HOLDER);
    token(call(&mut host, &one, "acquire", db()));
    let refused = call(&mut host, &two, "release", db()).unwrap_err();
    assert_eq!(refused.code, NOT_THE_HOLDER);
}

#[test]
fn a_session_waits_for_a_lock_once_and_may_again_after_a_timeout() {
    let mut host = MemoryHost::default();
    let (one, two) = (host.open_session(), host.open_session());
    token(call(&mut host, &one, "acquire", db()));
    let patient = json!({"name": "db", "timeout_ms": 100});
    let first = parked(call(&mut host, &two, "acquire", patient));
    let refused = call(&mut host, &two, "acquire", db()).unwrap_err();
    assert_eq!(refused.code, ALREADY_WAITING);
    host.time_out::<Lock>(first).unwrap();
    assert_eq!(host.paths(), ["@waiting", "db"]);
    let again = parked(call(&mut host, &two, "acquire", db()));
    call(&mut host, &one, "release", db()).unwrap();
    assert!(granted(&host, again) > 0);
}

#[test]
fn a_late_cancellation_leaves_a_newer_wait_alone() {
    let mut host = MemoryHost::default();
    let (one, two) = (host.open_session(), host.open_session());
    token(call(&mut host, &one, "acquire", db()));
    parked(call(&mut host, &two, "acquire", db()));
    let event = zareba_guest_sdk::Event {
        kind: 8,
        path: String::new(),
        session: two.session,
        call: 1,
        tag: "db".into(),
        data: Vec::new(),
    };
    Lock::on_event(&mut host, &[event]).unwrap();
    assert_eq!(host.paths().len(), 3);
}

#[test]
fn names_and_inputs_that_make_no_sense_are_refused() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let long = "x".repeat(256);
    for name in ["", "a/b", "@waiting", "..", "a\n", long.as_str()] {
        let refused = call(&mut host, &one, "acquire", json!({ "name": name })).unwrap_err();
        assert_eq!(refused.code, code::BAD_ARGUMENTS, "{name:?}");
    }
    for input in ["", "[]", r#"{"nam": "x"}"#] {
        let refused = host.command::<Lock>(&one, "acquire", input.as_bytes());
        assert_eq!(refused.unwrap_err().code, code::BAD_ARGUMENTS, "{input:?}");
    }
    assert!(host.paths().is_empty());
}

#[test]
fn holders_counts_those_who_wait() {
    let mut host = MemoryHost::default();
    let callers: Vec<Caller> = (0..3).map(|_| host.open_session()).collect();
    for who in &callers {
        call(&mut host, who, "acquire", db()).unwrap();
    }
    let asked = host.query::<Lock>(&callers[2], "holders", br#"{"name":"db"}"#);
    let holders = parse(&asked.unwrap());
    assert_eq!(holders[0]["waiters"], 2);
    assert_eq!(holders[0]["session"], callers[0].session);
    let none = host.query::<Lock>(&callers[2], "holders", br#"{"name":"log"}"#);
    assert_eq!(parse(&none.unwrap()), json!([]));
}
