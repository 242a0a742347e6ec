//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::Config;

/// Every reader has one published version whole, and none older than it knows.
#[derive(Debug, Default)]
pub struct Whole {
    /// What each version said; of all keys the same.
    published: BTreeMap<u64, u64>,
    following: Vec<usize>,
}

impl Promise for Whole {
    type Plugin = Config;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let last = self.published.keys().last().copied().unwrap_or(0);
        Some(match dice.below(5) {
            0 | 1 => {
                let value = dice.below(1_000);
                let expect = dice.once_in(2).then_some(last);
                let values = json!({ "a": value, "b": value });
                Ask::new(
                    "publish",
                    json!({ "name": "web", "values": values, "expect": expect }),
                )
            }
            2 if last > 0 => Ask::new(
                "rollback",
                json!({ "name": "web", "version": 1 + dice.below(last) }),
            ),
            3 => Ask::new("get", web()),
            _ if self.following.contains(&client) => return None,
            _ => Ask::new(
                "follow",
                json!({ "name": "web", "after": last, "timeout_ms": 800 }),
            ),
        })
    }

    fn parked(&mut self, client: usize, _: &Ask) -> Result<(), String> {
        self.following.push(client);
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let last = self.published.keys().last().copied().unwrap_or(0);
        if ask.op == "follow" {
            self.following.retain(|it| *it != client);
        }
        match (ask.op, answer) {
            ("publish" | "rollback", Ok(published)) => {
                let version = published["version"].as_u64().ok_or("no version")?;
                let value = match ask.input["version"].as_u64() {
                    Some(old) => self.published.get(&old).copied(),
                    None => ask.input["values"]["a"].as_u64(),
                };
                if version != last + 1 {
                    return Err(format!("version {version} behind {last}"));
                }
                self.published.insert(version, value.ok_or("of nothing")?);
            }
            ("get" | "follow", Ok(whole)) => {
                let version = whole["version"].as_u64().ok_or("no version")?;
                let value = self.published.get(&version).ok_or("never published")?;
                if whole["values"] != json!({ "a": value, "b": value }) || version != last {
                    return Err(format!("{whole}, but {last} counts"));
                }
            }
            ("get" | "rollback", Err(fault)) if fault.code == 2 => {}
            ("follow", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {}
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.following.retain(|it| *it != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        Ok(())
    }
}

fn web() -> Value {
    json!({ "name": "web" })
}
