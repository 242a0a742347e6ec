//! The recipe over the host in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Caller, Fault, Host, Parked, code};

use super::{Index, Shards};

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

/// Shards are on live nodes only, on as many as there can be, and every node knows its own.
#[derive(Default)]
struct Level {
    nodes: BTreeSet<usize>,
    /// Replication levels.
    indexes: BTreeMap<String, u32>,
    master: Option<usize>,
    standing: Vec<usize>,
}

impl Promise for Level {
    type Plugin = Shards;

    const CLIENTS: usize = 5;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let node = json!({ "node": format!("n{client}") });
        let index = *dice.pick(&["x", "y"]);
        Some(match dice.below(8) {
            0 if self.nodes.contains(&client) => Ask::new("leave", node),
            0 | 1 if !self.nodes.contains(&client) => Ask::new("join", node),
            2 if !self.indexes.contains_key(index) => {
                let replication = 1 + dice.below(3);
                let input = json!({ "index": index, "shards": ["1", "2", "3"], "replication": replication });
                Ask::new("add", input)
            }
            3 if dice.once_in(4) => Ask::new("drop", json!({ "index": index })),
            4 if self.master == Some(client) => Ask::new("rebalance", json!({})),
            5 if self.master == Some(client) => Ask::new("resign", json!({})),
            6 if self.master != Some(client) && !self.standing.contains(&client) => {
                Ask::new("stand", json!({}))
            }
            _ => return None,
        })
    }

    fn parked(&mut self, client: usize, _: &Ask) -> Result<(), String> {
        self.standing.push(client);
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let index = || ask.input["index"].as_str().unwrap_or_default().to_owned();
        match (ask.op, answer) {
            ("join", Ok(_)) => {
                self.nodes.insert(client);
            }
            ("leave", Ok(_)) => {
                self.nodes.remove(&client);
            }
            ("add", Ok(_)) => {
                let level = ask.input["replication"].as_u64().ok_or("no level")? as u32;
                self.indexes.insert(index(), level);
            }
            ("drop", Ok(_)) => {
                self.indexes.remove(&index());
            }
            ("drop", Err(fault)) if fault.code == 4 && !self.indexes.contains_key(&index()) => {}
            ("stand", Ok(_)) => {
                if let Some(master) = self.master.replace(client) {
                    return Err(format!("{client} and {master} are masters"));
                }
                self.standing.retain(|it| *it != client);
            }
            ("resign", Ok(_)) => self.master = None,
            ("rebalance", Ok(_)) => {}
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.nodes.remove(&client);
        self.standing.retain(|it| *it != client);
        self.master = self.master.filter(|it| *it != client);
        Ok(())
    }

    fn settled(&mut self, host: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let live: BTreeSet<String> = self.nodes.iter().map(|it| format!("n{it}")).collect();
        let mut work: BTreeMap<String, usize> = BTreeMap::new();
        for (name, level) in &self.indexes {
            let path = format!("indexes/{name}");
            let index: Index = host.get_json(&path).map_err(|fault| fault.message)?;
            let wanted = live.len().min(*level as usize);
            for (shard, nodes) in &index.shards {
                let different: BTreeSet<&String> = nodes.iter().collect();
                let is_well = different.len() == wanted
                    && nodes.len() == wanted
                    && nodes.iter().all(|node| live.contains(node));
                if !is_well {
                    return Err(format!("{name}/{shard} is on {nodes:?} of {live:?}"));
                }
                nodes
                    .iter()
                    .for_each(|node| *work.entry(node.clone()).or_default() += 1);
            }
        }
        for node in &live {
            let assigned = super::assigned(host, node).map_err(|fault| fault.message)?;
            if assigned.shards.len() != work.get(node).copied().unwrap_or(0) {
                return Err(format!("{node} knows of {} shards", assigned.shards.len()));
            }
        }
        match self.master.is_none() && !self.standing.is_empty() {
            true => Err(format!("there is no master, and {:?} stand", self.standing)),
            false => Ok(()),
        }
    }
}

#[test]
fn every_shard_is_on_its_level_of_live_nodes_whatever_happens() {
    chaos::check::<Level>();
}
