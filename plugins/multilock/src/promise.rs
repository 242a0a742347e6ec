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

use crate::MultiLock;

/// One holder of each lock, all or none, and nobody passed by who wants the same.
#[derive(Debug, Default)]
pub struct AllOrNone {
    held: BTreeMap<String, usize>,
    line: Vec<(usize, Vec<String>)>,
}

fn wish(ask: &Ask) -> Vec<String> {
    serde_json::from_value(ask.input["names"].clone()).unwrap_or_default()
}

impl Promise for AllOrNone {
    type Plugin = MultiLock;

    const CLIENTS: usize = 5;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let own: Vec<String> = self
            .held
            .iter()
            .filter(|it| *it.1 == client)
            .map(|it| it.0.clone())
            .collect();
        if !own.is_empty() && dice.once_in(2) {
            let count = 1 + dice.below(own.len() as u64) as usize;
            return Some(Ask::new(
                "release",
                json!({ "names": own.iter().take(count).collect::<Vec<_>>() }),
            ));
        }
        if self.line.iter().any(|it| it.0 == client) || !own.is_empty() {
            return None;
        }
        let mut all = ["a", "b", "c", "d"];
        dice.shuffle(&mut all);
        let count = 1 + dice.below(3) as usize;
        let timeout = dice.once_in(3).then(|| dice.below(200));
        let input =
            json!({ "names": all.iter().take(count).collect::<Vec<_>>(), "timeout_ms": timeout });
        Some(Ask::new("acquire", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        self.line.push((client, wish(ask)));
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let in_line = self.line.iter().position(|it| it.0 == client);
        match (ask.op, answer) {
            ("acquire", Ok(_)) => {
                let ahead = in_line.unwrap_or(self.line.len());
                for name in wish(ask) {
                    let passed = self.line.iter().take(ahead).find(|it| it.1.contains(&name));
                    if let Some((passed, _)) = passed {
                        return Err(format!("{client} got {name}, for which {passed} waits"));
                    }
                    if let Some(other) = self.held.insert(name.clone(), client) {
                        return Err(format!("{client} and {other} hold {name}"));
                    }
                }
                if let Some(place) = in_line {
                    self.line.remove(place);
                }
            }
            ("acquire", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
            }
            ("release", Ok(_)) => wish(ask).iter().for_each(|name| {
                self.held.remove(name);
            }),
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.held.retain(|_, it| *it != client);
        self.line.retain(|it| it.0 != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        for (place, (client, names)) in self.line.iter().enumerate() {
            let before = self.line.iter().take(place).flat_map(|it| &it.1);
            let is_blocked = names.iter().any(|name| self.held.contains_key(name))
                || before.into_iter().any(|name| names.contains(name));
            if !is_blocked {
                return Err(format!("{client} could have {names:?}"));
            }
        }
        Ok(())
    }
}
