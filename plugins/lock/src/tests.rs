//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};
use zareba_guest_sdk::{Caller, Host, code};

use super::Lock;
use super::promise::OneHolder;

fn db() -> Value {
    json!({ "name": "db" })
}

fn acquire(host: &mut MemoryHost, who: &Caller) -> Value {
    host.call::<Lock>(who, "acquire", db()).unwrap().answer()
}

fn wait(host: &mut MemoryHost, who: &Caller) -> u64 {
    host.call::<Lock>(who, "acquire", db()).unwrap().parked()
}

fn token(answer: &Value) -> u64 {
    answer["token"].as_u64().unwrap()
}

fn granted(host: &MemoryHost, call: u64) -> u64 {
    token(&host.answer(call).expect("an answer").unwrap())
}

#[test]
fn a_free_lock_is_taken_at_once_and_leaves_nothing_when_released() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    assert!(token(&acquire(&mut host, &one)) > 0);
    assert_eq!(host.paths(), ["db"]);
    host.call::<Lock>(&one, "release", db()).unwrap();
    assert!(host.paths().is_empty());
}

#[test]
fn waiters_are_granted_in_order_with_growing_tokens() {
    let mut host = MemoryHost::default();
    let callers: Vec<Caller> = (0..4).map(|_| host.open_session()).collect();
    let mut last = token(&acquire(&mut host, &callers[0]));
    let calls: Vec<u64> = callers[1..]
        .iter()
        .map(|who| wait(&mut host, who))
        .collect();
    for (holder, waiting) in callers.iter().zip(&calls) {
        assert_eq!(host.answer(*waiting), None);
        host.call::<Lock>(holder, "release", db()).unwrap();
        let next = granted(&host, *waiting);
        assert!(next > last, "{next} after {last}");
        last = next;
    }
    host.call::<Lock>(&callers[3], "release", db()).unwrap();
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn a_session_that_ends_hands_its_lock_on_and_takes_its_waits_along() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    acquire(&mut host, &one);
    let second = wait(&mut host, &two);
    let third = wait(&mut host, &three);
    host.end_session::<Lock>(two.session).unwrap();
    host.end_session::<Lock>(one.session).unwrap();
    assert_eq!(host.answer(second), None);
    assert!(granted(&host, third) > 0);
    assert_eq!(host.paths(), ["@line", "db"]);
}

#[test]
fn who_has_waited_too_long_is_passed_over() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    acquire(&mut host, &one);
    let input = json!({ "name": "db", "timeout_ms": 5 });
    let second = host.call::<Lock>(&two, "acquire", input).unwrap().parked();
    let third = wait(&mut host, &three);
    host.advance::<Lock>(5).unwrap();
    let why = host.answer(second).unwrap().unwrap_err();
    assert_eq!(why.code, code::OPERATION_TIMEOUT);
    host.call::<Lock>(&one, "release", db()).unwrap();
    assert!(granted(&host, third) > 0);
}

#[test]
fn a_held_lock_is_not_taken_by_trying() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let tried = host.call::<Lock>(&one, "try", db()).unwrap().answer();
    assert!(token(&tried) > 0);
    let no_wait = json!({ "name": "db", "wait": false });
    for (op, input) in [("try", db()), ("acquire", no_wait)] {
        let fault = host.call::<Lock>(&two, op, input).unwrap_err();
        assert_eq!((fault.code, fault.message.as_str()), (1, "\"db\" is held"));
    }
    let fault = host.call::<Lock>(&two, "release", db()).unwrap_err();
    assert_eq!(fault.code, 2);
}

#[test]
fn a_session_takes_a_lock_as_often_as_it_likes_and_releases_it_as_often() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let first = acquire(&mut host, &one);
    let waiting = wait(&mut host, &two);
    for holds in 2..=3 {
        let again = acquire(&mut host, &one);
        assert_eq!(
            again,
            json!({ "name": "db", "token": first["token"], "holds": holds })
        );
    }
    for holds in [2, 1] {
        let left = host.call::<Lock>(&one, "release", db()).unwrap().answer();
        assert_eq!(left, json!({ "holds": holds }));
        assert_eq!(host.answer(waiting), None);
    }
    host.call::<Lock>(&one, "release", db()).unwrap();
    assert!(granted(&host, waiting) > token(&first));
    let left = host.call::<Lock>(&two, "release", db()).unwrap().answer();
    assert_eq!(left, json!({ "holds": 0 }));
}

#[test]
fn a_holder_hears_that_it_is_asked_to_give_the_lock_up() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    acquire(&mut host, &one);
    let fault = host.call::<Lock>(&two, "revoked", db()).unwrap_err();
    assert_eq!(fault.code, 2);
    let asked = host.call::<Lock>(&one, "revoked", db()).unwrap().parked();
    let input = json!({ "name": "db", "message": "please" });
    host.call::<Lock>(&two, "revoke", input).unwrap();
    let words = json!({ "name": "db", "message": "please" });
    assert_eq!(host.answer(asked), Some(Ok(words.clone())));
    // It is still asked, until it gives the lock up.
    let again = host.call::<Lock>(&one, "revoked", db()).unwrap();
    assert_eq!(again.answer(), words);
    host.call::<Lock>(&one, "release", db()).unwrap();
    acquire(&mut host, &one);
    let next = host.call::<Lock>(&one, "revoked", db()).unwrap().parked();
    host.call::<Lock>(&one, "release", db()).unwrap();
    assert_eq!(host.answer(next).unwrap().unwrap_err().code, 2);
}

#[test]
fn a_lock_whose_node_is_deleted_by_hand_passes_on() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    acquire(&mut host, &one);
    acquire(&mut host, &one);
    let second = wait(&mut host, &two);
    host.delete_by_hand::<Lock>("db").unwrap();
    assert!(granted(&host, second) > 0);
    // Of the former holder nothing is left that could be taken for the new one's.
    let left = host.call::<Lock>(&two, "release", db()).unwrap().answer();
    assert_eq!(left, json!({ "holds": 0 }));
}

#[test]
fn a_waiter_whose_record_is_deleted_by_hand_is_told_and_holds_up_nobody() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    acquire(&mut host, &one);
    let second = wait(&mut host, &two);
    let third = wait(&mut host, &three);
    host.delete_by_hand::<Lock>(&format!("@line/{second:016x}"))
        .unwrap();
    host.call::<Lock>(&one, "release", db()).unwrap();
    let why = host.answer(second).unwrap().unwrap_err();
    assert_eq!(why.code, code::SYSTEM_ERROR);
    assert!(granted(&host, third) > 0);
}

#[test]
fn those_in_line_in_the_older_layout_keep_their_places() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    acquire(&mut host, &one);
    let second = wait(&mut host, &two);
    // As the first layout had it.
    host.delete_by_hand::<Lock>(&format!("@line/{second:016x}"))
        .unwrap();
    host.delete_by_hand::<Lock>("@line").unwrap();
    let path = format!("@waiting/{:x}:db", two.session);
    let data = json!({ "call": second, "data": "two" }).to_string();
    let ephemeral = zareba_guest_sdk::CreateMode::Ephemeral;
    host.ensure_by_hand("@waiting");
    host.create_owned(&path, data.as_bytes(), ephemeral, two.session)
        .unwrap();
    Lock::migrate(&mut host, 1).unwrap();
    host.call::<Lock>(&one, "release", db()).unwrap();
    assert!(granted(&host, second) > 0);
    assert_eq!(host.paths(), ["@line", "db"]);
    assert_eq!(host.get("db").unwrap().0, b"two");
}

#[test]
fn names_that_cannot_be_a_nodes_are_refused() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    for name in ["", "a/b", "@line", "..", "a\nb", &"x".repeat(256)] {
        let fault = host
            .call::<Lock>(&one, "acquire", json!({ "name": name }))
            .unwrap_err();
        assert_eq!(
            fault.code,
            code::BAD_ARGUMENTS,
            "{name:?}: {}",
            fault.message
        );
    }
    let unknown = json!({ "name": "db", "patience": 1 });
    let fault = host.call::<Lock>(&one, "acquire", unknown).unwrap_err();
    assert!(fault.message.contains("patience"), "{}", fault.message);
}

#[test]
fn holders_are_listed_with_those_who_wait() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let input = json!({ "name": "db", "data": "one" });
    let token = token(&host.call::<Lock>(&one, "acquire", input).unwrap().answer());
    wait(&mut host, &two);
    let holders = host.ask::<Lock>(&two, "holders", json!({})).unwrap();
    let wanted = json!([{ "name": "db", "session": one.session, "token": token, "data": "one", "waiters": 1 }]);
    assert_eq!(holders, wanted);
    let none = host
        .ask::<Lock>(&two, "holders", json!({ "name": "other" }))
        .unwrap();
    assert_eq!(none, json!([]));
}

/// CURATOR-604: a client whose session was dying got the lock once more by the node of that session, and held
/// it together with the next one.
#[test]
fn a_session_that_is_over_is_granted_nothing() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    acquire(&mut host, &one);
    let dying = wait(&mut host, &two);
    let next = wait(&mut host, &three);
    host.end_session::<Lock>(two.session).unwrap();
    host.call::<Lock>(&one, "release", db()).unwrap();
    assert_eq!(host.answer(dying), None, "its call ended with its session");
    let token = granted(&host, next);
    let holders = host.ask::<Lock>(&one, "holders", json!({})).unwrap();
    assert_eq!(holders.as_array().unwrap().len(), 1);
    assert_eq!(
        (&holders[0]["session"], &holders[0]["token"]),
        (&json!(three.session), &json!(token))
    );
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Lock>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn at_most_one_session_holds_a_lock_whatever_happens() {
    chaos::check::<OneHolder>();
}
