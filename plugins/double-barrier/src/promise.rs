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

use crate::DoubleBarrier;

/// Nobody enters but with all others, nobody goes before the last has left.
#[derive(Debug, Default)]
pub struct Together {
    /// Who has entered which round, and whether it has left.
    within: BTreeMap<usize, (u64, bool)>,
    waiting: Vec<usize>,
    /// Who is to be told of a round in the same transaction.
    entered: BTreeMap<u64, usize>,
}

const COUNT: usize = 3;

impl Together {
    /// Rounds begin with all or with none. Who died since then counted.
    fn enters(&mut self, client: usize, round: u64) -> Result<(), String> {
        let others = self
            .within
            .values()
            .any(|(other, left)| *other != round && !left);
        if others {
            return Err(format!(
                "{client} enters {round} while another is under way"
            ));
        }
        self.waiting.retain(|it| *it != client);
        self.within.insert(client, (round, false));
        *self.entered.entry(round).or_default() += 1;
        Ok(())
    }
}

impl Promise for Together {
    type Plugin = DoubleBarrier;

    const CLIENTS: usize = 6;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let timeout = dice.once_in(3).then(|| dice.below(300));
        match self.within.get(&client) {
            Some((_, true)) => None,
            Some((_, false)) => Some(Ask::new(
                "leave",
                json!({ "name": "job", "timeout_ms": timeout }),
            )),
            None if self.waiting.contains(&client) => None,
            None => {
                let input = json!({ "name": "job", "count": COUNT, "timeout_ms": timeout });
                Some(Ask::new("enter", input))
            }
        }
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        match ask.op {
            "enter" => self.waiting.push(client),
            _ => {
                self.within
                    .entry(client)
                    .and_modify(|it| it.1 = true)
                    .or_default()
                    .1 = true
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        match (ask.op, answer) {
            ("enter", Ok(round)) => {
                let number = round["round"].as_u64().ok_or("no round")?;
                self.enters(client, number)?;
            }
            ("enter", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.waiting.retain(|it| *it != client);
            }
            ("leave", Ok(_)) => {
                let (own, _) = self.within.remove(&client).ok_or("it was not within")?;
                if self
                    .within
                    .values()
                    .any(|(round, left)| *round == own && !left)
                {
                    return Err(format!("{client} goes before all have left {own}"));
                }
            }
            ("leave", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.within.remove(&client);
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.within.remove(&client);
        self.waiting.retain(|it| *it != client);
        Ok(())
    }

    fn check(&mut self, _: &mut dyn Host) -> Result<(), String> {
        match self.entered.iter().find(|(_, count)| **count != COUNT) {
            Some((round, count)) => Err(format!("{count} of {COUNT} entered {round}")),
            None => Ok(()),
        }
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let is_under_way = self.within.values().any(|(_, left)| !left);
        if !is_under_way && (self.waiting.len() >= COUNT || !self.within.is_empty()) {
            return Err(format!(
                "{:?} wait, {:?} are within",
                self.waiting, self.within
            ));
        }
        Ok(())
    }
}
