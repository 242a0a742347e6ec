//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::{Index, Shards};

/// Shards are on live nodes only, on as many as there can be, and every node knows its own.
#[derive(Debug, Default)]
pub struct Level {
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
            ("stand", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
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
            let assigned = crate::assigned(host, node).map_err(|fault| fault.message)?;
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
