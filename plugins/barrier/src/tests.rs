//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::Barrier;
use super::promise::HoldsBack;

fn gate() -> Value {
    json!({ "name": "gate" })
}

#[test]
fn who_comes_waits_until_the_barrier_is_lifted() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    assert_eq!(
        host.call::<Barrier>(&one, "wait", gate()).unwrap().answer(),
        json!({})
    );
    assert_eq!(
        host.call::<Barrier>(&one, "set", gate()).unwrap().answer(),
        json!({ "changed": true })
    );
    assert_eq!(
        host.call::<Barrier>(&two, "set", gate()).unwrap().answer(),
        json!({ "changed": false })
    );
    let waits = host.call::<Barrier>(&two, "wait", gate()).unwrap().parked();
    let state = host.ask::<Barrier>(&one, "state", gate()).unwrap();
    assert_eq!(state, json!({ "is_set": true, "waiters": 1 }));
    host.call::<Barrier>(&one, "lift", gate()).unwrap();
    assert_eq!(host.answer(waits), Some(Ok(json!({}))));
    assert!(host.paths().is_empty());
}

#[test]
fn many_who_wait_all_go_on_though_the_barrier_is_set_again_at_once() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    host.call::<Barrier>(&one, "set", gate()).unwrap();
    let calls: Vec<u64> = (0..1_000)
        .map(|_| {
            let session = host.open_session();
            host.call::<Barrier>(&session, "wait", gate())
                .unwrap()
                .parked()
        })
        .collect();
    host.call::<Barrier>(&one, "lift", gate()).unwrap();
    host.call::<Barrier>(&one, "set", gate()).unwrap();
    let later = host.call::<Barrier>(&one, "wait", gate()).unwrap().parked();
    host.advance::<Barrier>(0).unwrap();
    assert!(
        calls
            .iter()
            .all(|call| host.answer(*call).is_some_and(|it| it.is_ok()))
    );
    assert_eq!(host.answer(later), None);
}

#[test]
fn a_barrier_whose_node_is_deleted_by_hand_is_lifted() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    host.call::<Barrier>(&one, "set", gate()).unwrap();
    let waits = host.call::<Barrier>(&one, "wait", gate()).unwrap().parked();
    host.delete_by_hand::<Barrier>("gate").unwrap();
    assert_eq!(host.answer(waits), Some(Ok(json!({}))));
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Barrier>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn nobody_passes_a_set_barrier_whatever_happens() {
    chaos::check::<HoldsBack>();
}
