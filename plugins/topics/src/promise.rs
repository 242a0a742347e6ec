//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked};

use crate::{Place, Topics};

/// Every topic is kept by two live nodes if there are two, and terms grow with primaries.
#[derive(Debug, Default)]
pub struct TwoKeepers {
    nodes: BTreeSet<usize>,
    topics: BTreeSet<String>,
    disabled: BTreeSet<usize>,
    seen: BTreeMap<String, Place>,
}

impl Promise for TwoKeepers {
    type Plugin = Topics;

    const CLIENTS: usize = 5;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let node = format!("n{client}");
        let topic = *dice.pick(&["x", "y", "z"]);
        let is_there = self.topics.contains(topic);
        Some(match dice.below(8) {
            0 if self.nodes.contains(&client) => Ask::new("leave", json!({ "node": node })),
            0 | 1 if !self.nodes.contains(&client) => Ask::new("join", json!({ "node": node })),
            2 | 3 if !is_there => Ask::new("create", json!({ "topic": topic })),
            4 if is_there => Ask::new("drop", json!({ "topic": topic })),
            5 => Ask::new("switch", json!({ "disable": [node] })),
            6 | 7 => Ask::new("switch", json!({ "enable": [node] })),
            _ => return None,
        })
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let topic = ask.input["topic"].as_str().unwrap_or_default().to_owned();
        match (ask.op, answer) {
            ("join", Ok(_)) => {
                self.nodes.insert(client);
            }
            ("leave", Ok(_)) => {
                self.nodes.remove(&client);
            }
            ("create", Ok(_)) => {
                self.topics.insert(topic);
            }
            ("drop", Ok(_)) => {
                self.topics.remove(&topic);
                self.seen.remove(&topic);
            }
            ("switch", Ok(_)) if ask.input["disable"].is_array() => {
                self.disabled.insert(client);
            }
            ("switch", Ok(_)) => {
                self.disabled.remove(&client);
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.nodes.remove(&client);
        Ok(())
    }

    fn check(&mut self, host: &mut dyn Host) -> Result<(), String> {
        for topic in &self.topics {
            let path = format!("topics/{topic}");
            let place: Place = host.get_json(&path).map_err(|fault| fault.message)?;
            if let Some(seen) = self.seen.insert(topic.clone(), place.clone())
                && (place.term < seen.term
                    || place.term == seen.term && place.primary != seen.primary)
            {
                return Err(format!("{topic}: {place:?} after {seen:?}"));
            }
        }
        Ok(())
    }

    fn settled(&mut self, host: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let usable: BTreeSet<String> = self
            .nodes
            .iter()
            .filter(|it| !self.disabled.contains(it))
            .map(|it| format!("n{it}"))
            .collect();
        let mut loads: BTreeMap<String, u64> = BTreeMap::new();
        for topic in &self.topics {
            let path = format!("topics/{topic}");
            let place: Place = host.get_json(&path).map_err(|fault| fault.message)?;
            let keepers: BTreeSet<&String> = place.primary.iter().chain(&place.backup).collect();
            let is_well = keepers.len() == usable.len().min(2)
                && keepers.iter().all(|node| usable.contains(*node));
            if !is_well {
                return Err(format!("{topic} is kept by {place:?} of {usable:?}"));
            }
            keepers
                .into_iter()
                .for_each(|node| *loads.entry(node.clone()).or_default() += 1);
        }
        for node in &usable {
            let kept = crate::keeping::load(host, node).map_err(|fault| fault.message)?;
            if kept != loads.get(node).copied().unwrap_or(0) {
                return Err(format!("{node} knows of {kept} topics, of {loads:?}"));
            }
        }
        Ok(())
    }
}
