//! The recipe over the host in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};
use zareba_guest_sdk::{Caller, code};

use super::Shards;
use super::promise::Level;

fn join(host: &mut MemoryHost, who: &Caller, node: &str) {
    host.call::<Shards>(who, "join", json!({ "node": node }))
        .unwrap();
}

fn add(host: &mut MemoryHost, who: &Caller, index: &str, shards: &[&str], replication: u32) {
    let input = json!({ "index": index, "shards": shards, "replication": replication });
    host.call::<Shards>(who, "add", input).unwrap();
}

fn find(host: &mut MemoryHost, index: &str) -> BTreeMap<String, BTreeSet<String>> {
    let who = host.open_session();
    let found = host
        .ask::<Shards>(&who, "find", json!({ "index": index }))
        .unwrap();
    serde_json::from_value(found["assigned"].clone()).unwrap()
}

#[test]
fn shards_are_on_as_many_live_nodes_as_their_index_asks_for() {
    let mut host = MemoryHost::default();
    let [a, b, c] = std::array::from_fn(|_| host.open_session());
    add(&mut host, &a, "web", &["1", "2", "3"], 2);
    assert!(find(&mut host, "web").values().all(BTreeSet::is_empty));
    for (who, node) in [(&a, "a"), (&b, "b"), (&c, "c")] {
        join(&mut host, who, node);
    }
    assert!(
        find(&mut host, "web")
            .values()
            .all(|nodes| nodes.len() == 2)
    );
    host.end_session::<Shards>(b.session).unwrap();
    let found = find(&mut host, "web");
    assert!(
        found.values().all(|nodes| nodes.iter().eq(["a", "c"])),
        "{found:?}"
    );
    host.call::<Shards>(&c, "leave", json!({ "node": "c" }))
        .unwrap();
    assert!(
        find(&mut host, "web")
            .values()
            .all(|nodes| nodes.iter().eq(["a"]))
    );
}

#[test]
fn a_node_hears_what_it_is_to_serve_and_says_what_it_serves() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    join(&mut host, &one, "a");
    let first = host
        .call::<Shards>(&one, "work", json!({ "node": "a" }))
        .unwrap()
        .answer();
    let after = json!({ "node": "a", "after": first["version"] });
    let work = host.call::<Shards>(&one, "work", after).unwrap().parked();
    add(&mut host, &one, "web", &["1"], 1);
    let told = host.answer(work).unwrap().unwrap();
    assert_eq!(told["shards"], json!([{ "index": "web", "shard": "1" }]));
    let serving = json!({ "node": "a", "shards": told["shards"] });
    host.call::<Shards>(&one, "serving", serving.clone())
        .unwrap();
    let found = host
        .ask::<Shards>(&one, "find", json!({ "index": "web" }))
        .unwrap();
    assert_eq!(found["serving"], json!({ "1": ["a"] }));
    let other = host.open_session();
    assert_eq!(
        host.call::<Shards>(&other, "serving", serving)
            .unwrap_err()
            .code,
        2
    );
    assert_eq!(
        host.call::<Shards>(&other, "join", json!({ "node": "a" }))
            .unwrap_err()
            .code,
        1
    );
}

#[test]
fn the_master_moves_shards_to_new_nodes() {
    let mut host = MemoryHost::default();
    let [a, b] = std::array::from_fn(|_| host.open_session());
    join(&mut host, &a, "a");
    add(&mut host, &a, "web", &["1", "2", "3", "4"], 1);
    join(&mut host, &b, "b");
    assert_eq!(
        host.call::<Shards>(&b, "rebalance", json!({}))
            .unwrap_err()
            .code,
        5
    );
    host.call::<Shards>(&a, "stand", json!({}))
        .unwrap()
        .answer();
    let next = host
        .call::<Shards>(&b, "stand", json!({}))
        .unwrap()
        .parked();
    let moved = host
        .call::<Shards>(&a, "rebalance", json!({}))
        .unwrap()
        .answer();
    assert_eq!(moved, json!({ "moved": 2 }));
    let nodes = host.ask::<Shards>(&a, "nodes", json!({})).unwrap();
    assert_eq!(
        (&nodes[0]["shards"], &nodes[1]["shards"]),
        (&json!(2), &json!(2))
    );
    host.end_session::<Shards>(a.session).unwrap();
    assert!(host.answer(next).unwrap().is_ok());
    assert!(
        find(&mut host, "web")
            .values()
            .all(|nodes| nodes.iter().eq(["b"]))
    );
}

#[test]
fn two_thousand_shards_are_placed_in_one_transaction() {
    let mut host = MemoryHost::default();
    let sessions: Vec<Caller> = (0..50).map(|_| host.open_session()).collect();
    for (number, who) in sessions.iter().enumerate() {
        join(&mut host, who, &format!("n{number}"));
    }
    let shards: Vec<String> = (0..2_000).map(|shard| shard.to_string()).collect();
    let input = json!({ "index": "web", "shards": shards, "replication": 3 });
    host.call::<Shards>(&sessions[0], "add", input).unwrap();
    host.end_session::<Shards>(sessions[7].session).unwrap();
    assert!(
        find(&mut host, "web")
            .values()
            .all(|nodes| nodes.len() == 3 && !nodes.contains("n7"))
    );
    let input = json!({ "index": "more", "shards": ["1"], "replication": 1 });
    let fault = host.call::<Shards>(&sessions[0], "add", input).unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Shards>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn every_shard_is_on_its_level_of_live_nodes_whatever_happens() {
    chaos::check::<Level>();
}
