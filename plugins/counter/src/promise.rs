//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked};

use crate::Counter;

/// What is there is what was said to have been added, within the bounds.
#[derive(Debug, Default)]
pub struct Sums {
    values: BTreeMap<String, i64>,
}

impl Promise for Sums {
    type Plugin = Counter;

    fn config(&mut self, _: &mut Dice) -> BTreeMap<String, String> {
        [
            ("min".to_owned(), "0".to_owned()),
            ("max".to_owned(), "40".to_owned()),
        ]
        .into()
    }

    fn next(&mut self, _: usize, dice: &mut Dice) -> Option<Ask> {
        let name = *dice.pick(&["a", "b"]);
        let by = dice.below(21) as i64 - 9;
        Some(match dice.below(5) {
            0 => Ask::new("add_all", json!({ "by": { "a": by, "b": 1 } })),
            1 => Ask::new(
                "set",
                json!({ "name": name, "value": by, "expect": dice.below(6) }),
            ),
            2 => Ask::new("get", json!({ "name": name })),
            _ => Ask::new("add", json!({ "name": name, "by": by })),
        })
    }

    fn answered(
        &mut self,
        _: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let name = ask.input["name"].as_str().unwrap_or_default();
        let value = self.values.get(name).copied().unwrap_or(0);
        let by = |name: &str| ask.input["by"][name].as_i64().unwrap_or(0);
        match (ask.op, answer) {
            ("add", Ok(_)) => {
                let by = ask.input["by"].as_i64().unwrap_or(0);
                self.values.insert(name.to_owned(), value + by);
            }
            ("add_all", Ok(_)) => {
                for name in ["a", "b"] {
                    *self.values.entry(name.into()).or_default() += by(name);
                }
            }
            ("set", Ok(_)) if ask.input["expect"] == value => {
                let value = ask.input["value"].as_i64().ok_or("no value")?;
                self.values.insert(name.to_owned(), value);
            }
            ("get", Ok(got)) if got["value"] == value => {}
            (_, Err(fault)) if matches!(fault.code, 1 | 2) => {}
            (op, answer) => return Err(format!("{op} of {value} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn check(&mut self, host: &mut dyn Host) -> Result<(), String> {
        for (name, value) in &self.values {
            let found = host
                .get_json_opt::<i64>(name)
                .map_err(|fault| fault.message)?;
            if found.unwrap_or(0) != *value || !(0..=40).contains(value) {
                return Err(format!("{name} is {found:?}, of {value}"));
            }
        }
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, parked: &[Parked]) -> Result<(), String> {
        match parked {
            [] => Ok(()),
            _ => Err("nobody waits for a counter".into()),
        }
    }
}
