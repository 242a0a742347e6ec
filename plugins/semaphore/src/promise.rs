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

use crate::Semaphore;

/// Never more than there are, in the order of asking.
#[derive(Debug, Default)]
pub struct NeverTooMany {
    all: u64,
    held: BTreeMap<u64, (usize, u64)>,
    line: Vec<(usize, u64)>,
}

impl Promise for NeverTooMany {
    type Plugin = Semaphore;

    fn config(&mut self, _: &mut Dice) -> BTreeMap<String, String> {
        self.all = 4;
        [("permits".to_owned(), "4".to_owned())].into()
    }

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let own: Vec<u64> = self
            .held
            .iter()
            .filter(|it| it.1.0 == client)
            .map(|it| *it.0)
            .collect();
        if !own.is_empty() && dice.once_in(2) {
            let hold = dice.pick(&own);
            return Some(Ask::new("release", json!({ "name": "gate", "hold": hold })));
        }
        if dice.once_in(25) {
            return Some(Ask::new("resize", ask(2 + dice.below(4))));
        }
        if self.line.iter().any(|it| it.0 == client) {
            return None;
        }
        let permits = 1 + dice.below(self.all.max(1));
        let timeout = dice.once_in(3).then(|| dice.below(200));
        let input = json!({ "name": "gate", "permits": permits, "timeout_ms": timeout });
        Some(Ask::new("acquire", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        let permits = ask.input["permits"].as_u64().ok_or("no number")?;
        self.line.push((client, permits));
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
            ("acquire", Ok(grant)) => {
                if in_line.is_some_and(|place| place != 0) {
                    return Err(format!("{client} came before its turn"));
                }
                if in_line.is_some() {
                    self.line.remove(0);
                }
                let permits = grant["permits"].as_u64().ok_or("no permits")?;
                let hold = grant["hold"].as_u64().ok_or("no hold")?;
                self.held.insert(hold, (client, permits));
                let held: u64 = self.held.values().map(|it| it.1).sum();
                if held > self.all {
                    return Err(format!("{held} of {} are held", self.all));
                }
            }
            ("acquire", Err(fault)) if matches!(fault.code, 4 | code::OPERATION_TIMEOUT) => {
                if let Some(place) = in_line {
                    self.line.remove(place);
                }
            }
            ("release", Ok(_)) => {
                self.held
                    .remove(&ask.input["hold"].as_u64().ok_or("no hold")?);
            }
            ("resize", Ok(_)) => self.all = ask.input["permits"].as_u64().ok_or("no number")?,
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.held.retain(|_, it| it.0 != client);
        self.line.retain(|it| it.0 != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let held: u64 = self.held.values().map(|it| it.1).sum();
        match self.line.first() {
            Some((next, permits)) if held + permits <= self.all => Err(format!(
                "{next} waits for {permits}, and {held} of {} are held",
                self.all
            )),
            _ => Ok(()),
        }
    }
}

fn ask(permits: u64) -> Value {
    json!({ "name": "gate", "permits": permits })
}
