//! The recipe over the host in memory.

use serde_json::json;
use zareba_guest_sdk::Caller;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::promise::TwoKeepers;
use super::{Place, Topics};

fn join(host: &mut MemoryHost, node: &str) -> Caller {
    let who = host.open_session();
    host.call::<Topics>(&who, "join", json!({ "node": node }))
        .unwrap();
    who
}

fn place(host: &mut MemoryHost, topic: &str) -> Place {
    let who = host.open_session();
    let place = host
        .ask::<Topics>(&who, "place", json!({ "topic": topic }))
        .unwrap();
    serde_json::from_value(place).unwrap()
}

#[test]
fn the_backup_of_a_primary_that_dies_is_primary_in_the_same_transaction() {
    let mut host = MemoryHost::default();
    let a = join(&mut host, "a");
    join(&mut host, "b");
    join(&mut host, "c");
    host.call::<Topics>(&a, "create", json!({ "topic": "news" }))
        .unwrap();
    let first = place(&mut host, "news");
    assert_eq!(
        (first.primary.as_deref(), first.backup.as_deref()),
        (Some("a"), Some("b"))
    );
    host.end_session::<Topics>(a.session).unwrap();
    let second = place(&mut host, "news");
    assert_eq!(
        (second.primary.as_deref(), second.backup.as_deref()),
        (Some("b"), Some("c"))
    );
    assert!(second.term > first.term);
}

#[test]
fn a_topic_without_nodes_gets_them_as_they_come() {
    let mut host = MemoryHost::default();
    let who = host.open_session();
    host.call::<Topics>(&who, "create", json!({ "topic": "news" }))
        .unwrap();
    assert_eq!(place(&mut host, "news"), Place::default());
    join(&mut host, "a");
    let one = place(&mut host, "news");
    assert_eq!((one.primary.as_deref(), one.backup), (Some("a"), None));
    join(&mut host, "b");
    let two = place(&mut host, "news");
    assert_eq!((two.backup.as_deref(), two.term), (Some("b"), one.term));
    host.call::<Topics>(&who, "drop", json!({ "topic": "news" }))
        .unwrap();
    let nodes = host.ask::<Topics>(&who, "nodes", json!({})).unwrap();
    assert_eq!(
        (&nodes[0]["topics"], &nodes[1]["topics"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn switches_keep_topics_where_they_are_and_take_nodes_out_of_use() {
    let mut host = MemoryHost::default();
    let a = join(&mut host, "a");
    join(&mut host, "b");
    join(&mut host, "c");
    host.call::<Topics>(&a, "create", json!({ "topic": "news" }))
        .unwrap();
    let told = host
        .call::<Topics>(&a, "controlled", json!({}))
        .unwrap()
        .parked();
    let stay = json!({ "migration_prohibited": true, "disable": ["a"] });
    host.call::<Topics>(&a, "switch", stay).unwrap();
    assert_eq!(
        host.answer(told).unwrap().unwrap()["migration_prohibited"],
        true
    );
    let kept = place(&mut host, "news");
    assert_eq!((kept.primary.as_deref(), kept.backup), (Some("b"), None));
    let go = json!({ "migration_prohibited": false });
    host.call::<Topics>(&a, "switch", go).unwrap();
    assert_eq!(place(&mut host, "news").backup.as_deref(), Some("c"));
}

#[test]
fn a_node_with_many_topics_gives_all_of_them_up_and_others_hear_of_it() {
    let mut host = MemoryHost::default();
    let a = join(&mut host, "a");
    let b = join(&mut host, "b");
    for topic in 0..350 {
        host.call::<Topics>(&a, "create", json!({ "topic": format!("t{topic}") }))
            .unwrap();
    }
    join(&mut host, "c");
    let before = host
        .call::<Topics>(&b, "mine", json!({ "node": "b" }))
        .unwrap()
        .answer();
    let after = json!({ "node": "b", "after": before["version"] });
    let mine = host.call::<Topics>(&b, "mine", after).unwrap().parked();
    host.end_session::<Topics>(a.session).unwrap();
    host.advance::<Topics>(0).unwrap();
    assert!(host.answer(mine).is_some());
    for topic in 0..350 {
        let place = place(&mut host, &format!("t{topic}"));
        assert_eq!(
            (place.primary.as_deref(), place.backup.as_deref()),
            (Some("b"), Some("c"))
        );
    }
    assert!(!host.paths().iter().any(|path| path.starts_with("kept/a")));
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Topics>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn every_topic_has_a_primary_and_a_backup_among_live_nodes_whatever_happens() {
    chaos::check::<TwoKeepers>();
}
