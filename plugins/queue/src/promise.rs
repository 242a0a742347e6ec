//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Node, Parked, code};

use crate::Queue;

/// Nothing is lost, nothing is done twice by who says "ack", nothing is with two at once.
#[derive(Debug, Default)]
pub struct NothingLost {
    put: u64,
    /// Items that are put and not acknowledged.
    open: BTreeMap<String, Option<usize>>,
    done: u64,
    waiting: Vec<usize>,
}

impl Promise for NothingLost {
    type Plugin = Queue;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let own: Vec<&String> = self
            .open
            .iter()
            .filter(|it| *it.1 == Some(client))
            .map(|it| it.0)
            .collect();
        if !own.is_empty() && dice.once_in(2) {
            let id = *dice.pick(&own);
            let op = *dice.pick(&["ack", "ack", "nack", "extend"]);
            return Some(Ask::new(op, json!({ "queue": "work", "id": id })));
        }
        if dice.once_in(2) || self.waiting.contains(&client) {
            let delay = if dice.once_in(3) { dice.below(400) } else { 0 };
            let priority = dice.below(3);
            let input =
                json!({ "queue": "work", "data": "x", "priority": priority, "delay_ms": delay });
            return Some(Ask::new("put", input));
        }
        let timeout = dice.once_in(3).then(|| dice.below(300));
        let lease = 50 + dice.below(2_000);
        if dice.once_in(2) {
            let acks: Vec<&String> = own.into_iter().take(3).collect();
            let most = 1 + dice.below(3);
            let input = json!({
                "queue": "work", "most": most, "acks": acks, "timeout_ms": timeout, "lease_ms": lease
            });
            return Some(Ask::new("take_all", input));
        }
        let input = json!({ "queue": "work", "timeout_ms": timeout, "lease_ms": lease });
        Some(Ask::new("take", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        self.waiting.push(client);
        self.done(&ask.input["acks"])
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let asked = ask.input["id"].as_str().unwrap_or_default();
        match (ask.op, answer) {
            ("put", Ok(id)) => {
                self.put += 1;
                self.open
                    .insert(id["id"].as_str().ok_or("no id")?.to_owned(), None);
            }
            ("take", Ok(taken)) => {
                self.waiting.retain(|it| *it != client);
                let id = taken["id"].as_str().ok_or("no id")?;
                // In a transaction that puts and hands over, the taker may hear of it first.
                self.open.insert(id.to_owned(), Some(client));
            }
            ("take_all", Ok(taken)) => {
                if !self.waiting.contains(&client) {
                    self.done(&ask.input["acks"])?;
                }
                self.waiting.retain(|it| *it != client);
                let items = taken["items"].as_array().ok_or("no items")?;
                let most = ask.input["most"].as_u64().unwrap_or(0);
                if items.is_empty() || items.len() as u64 > most {
                    return Err(format!("{} items where {most} were wanted", items.len()));
                }
                for item in items {
                    let id = item["id"].as_str().ok_or("no id")?;
                    self.open.insert(id.to_owned(), Some(client));
                }
            }
            ("take" | "take_all", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.waiting.retain(|it| *it != client);
            }
            ("ack", Ok(_)) => self.done(&json!([asked]))?,
            ("nack", Ok(_)) => {
                // Its successor, if there is one, is told behind this.
                self.open.insert(asked.to_owned(), None);
            }
            ("extend", Ok(_)) => {}
            // Its lease was over.
            ("ack" | "nack" | "extend", Err(fault)) if fault.code == 2 => {
                if self.open.get(asked) == Some(&Some(client)) {
                    self.open.insert(asked.to_owned(), None);
                }
            }
            // The lease of one of them was over, and none is done.
            ("take_all", Err(fault)) if fault.code == 2 => {
                for id in ids(&ask.input["acks"]) {
                    self.open.insert(id.to_owned(), None);
                }
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.waiting.retain(|it| *it != client);
        for owner in self.open.values_mut().filter(|it| **it == Some(client)) {
            *owner = None;
        }
        Ok(())
    }

    fn check(&mut self, host: &mut dyn Host) -> Result<(), String> {
        if host.exists("work").is_ok_and(|it| it.is_none()) {
            return Ok(());
        }
        let mut count = |kind: &str| match host.exists(&format!("work/{kind}")) {
            Ok(Some(stat)) => stat.num_children,
            _ => 0,
        };
        let all = count("ready") + count("later") + count("taken");
        match self.put - self.done == all {
            true => Ok(()),
            false => Err(format!("{} put, {} done, {all} there", self.put, self.done)),
        }
    }

    fn settled(&mut self, host: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let ready = host.count_children("work/ready").unwrap_or(0);
        if ready > 0 && !self.waiting.is_empty() {
            return Err(format!("{ready} are ready, and {:?} wait", self.waiting));
        }
        let mut held = 0;
        for hand in host.children("@hands", None, u32::MAX).unwrap_or_default() {
            let ids = Node::<Vec<String>>::at(format!("@hands/{hand}")).get(host);
            held += ids.ok().flatten().map_or(0, |ids| ids.len() as u64);
        }
        let taken = host.count_children("work/taken").unwrap_or(0);
        match held == taken {
            true => Ok(()),
            false => Err(format!("{taken} are taken, {held} are held")),
        }
    }
}

impl NothingLost {
    fn done(&mut self, acks: &Value) -> Result<(), String> {
        for id in ids(acks) {
            self.open.remove(id).ok_or("done twice")?;
            self.done += 1;
        }
        Ok(())
    }
}

fn ids(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
