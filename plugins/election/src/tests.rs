//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::Election;
use super::promise::OneLeader;

fn name() -> Value {
    json!({ "name": "boss" })
}

fn stand(data: &str) -> Value {
    json!({ "name": "boss", "data": data })
}

#[test]
fn the_candidate_that_has_stood_longest_leads_next_with_a_greater_term() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let first = host
        .call::<Election>(&one, "stand", stand("one"))
        .unwrap()
        .answer();
    let second = host
        .call::<Election>(&two, "stand", stand("two"))
        .unwrap()
        .parked();
    let third = host
        .call::<Election>(&three, "stand", stand("three"))
        .unwrap()
        .parked();
    let candidates = host.ask::<Election>(&one, "candidates", name()).unwrap();
    assert_eq!(
        candidates,
        json!({ "candidates": [two.session, three.session] })
    );
    host.end_session::<Election>(one.session).unwrap();
    let term = host.answer(second).unwrap().unwrap()["term"].clone();
    assert!(term.as_u64() > first["term"].as_u64());
    let leader = host.ask::<Election>(&three, "leader", name()).unwrap();
    assert_eq!(
        leader,
        json!({ "term": term, "session": two.session, "data": "two" })
    );
    host.call::<Election>(&two, "resign", name()).unwrap();
    assert!(host.answer(third).unwrap().is_ok());
}

#[test]
fn who_stands_may_resign_and_stands_only_once() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let term = host
        .call::<Election>(&one, "stand", stand(""))
        .unwrap()
        .answer();
    assert_eq!(
        host.call::<Election>(&one, "stand", stand(""))
            .unwrap()
            .answer(),
        term
    );
    assert_eq!(
        host.call::<Election>(&two, "resign", name())
            .unwrap_err()
            .code,
        1
    );
    let call = host
        .call::<Election>(&two, "stand", stand(""))
        .unwrap()
        .parked();
    assert_eq!(
        host.call::<Election>(&two, "stand", stand(""))
            .unwrap_err()
            .code,
        2
    );
    host.call::<Election>(&two, "resign", name()).unwrap();
    assert_eq!(host.answer(call).unwrap().unwrap_err().code, 3);
    host.call::<Election>(&one, "resign", name()).unwrap();
    assert_eq!(host.paths(), ["@line", "@term"]);
}

#[test]
fn observers_hear_of_every_change_however_many_they_are() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let calls: Vec<u64> = (0..1_000)
        .map(|_| {
            let observer = host.open_session();
            host.call::<Election>(&observer, "observe", name())
                .unwrap()
                .parked()
        })
        .collect();
    let elected = host
        .call::<Election>(&one, "stand", stand("one"))
        .unwrap()
        .answer();
    host.advance::<Election>(0).unwrap();
    for call in calls {
        assert_eq!(host.answer(call).unwrap().unwrap()["term"], elected["term"]);
    }
    let known = json!({ "name": "boss", "term": elected["term"] });
    let observer = host.open_session();
    let call = host
        .call::<Election>(&observer, "observe", known)
        .unwrap()
        .parked();
    host.end_session::<Election>(one.session).unwrap();
    let gone = host.answer(call).unwrap().unwrap();
    assert_eq!(gone, json!({ "term": 0, "session": null, "data": null }));
}

/// CURATOR-696 and others: a leader that stepped down and stood again, or lost its node, still took itself for
/// the leader beside its successor.
#[test]
fn who_stands_again_is_not_leader_beside_its_successor() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let first = host
        .call::<Election>(&one, "stand", stand("one"))
        .unwrap()
        .answer();
    let second = host
        .call::<Election>(&two, "stand", stand("two"))
        .unwrap()
        .parked();
    host.call::<Election>(&one, "resign", name()).unwrap();
    let again = host
        .call::<Election>(&one, "stand", stand("one again"))
        .unwrap()
        .parked();
    let led = host.answer(second).unwrap().unwrap();
    assert!(led["term"].as_u64() > first["term"].as_u64());
    assert_eq!(host.answer(again), None, "it waits behind its successor");
    let leader = host.ask::<Election>(&one, "leader", name()).unwrap();
    assert_eq!(leader["session"], json!(two.session));
    // What it asks for with its old term in mind is refused: it leads no more.
    host.end_session::<Election>(two.session).unwrap();
    let leads = host.answer(again).unwrap().unwrap();
    assert!(leads["term"].as_u64() > led["term"].as_u64());
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Election>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn at_most_one_session_leads_whatever_happens() {
    chaos::check::<OneLeader>();
}
