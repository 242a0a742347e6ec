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

use crate::Rendezvous;

/// Of two who exchange both get, or none; who waits for what is published gets it.
#[derive(Debug, Default)]
pub struct BothOrNone {
    published: Option<(usize, u64)>,
    waiting: Vec<usize>,
    /// Who waits to exchange, with what.
    bringing: Option<(usize, u64)>,
    /// Who got whose value, and must be matched in the same transaction.
    owed: BTreeMap<u64, u64>,
    last: u64,
}

impl Promise for BothOrNone {
    type Plugin = Rendezvous;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        self.last += 1;
        let input = json!({ "name": "master", "value": self.last });
        let timeout = dice.once_in(2).then(|| dice.below(300));
        Some(match dice.below(5) {
            0 => Ask::new("publish", input),
            1 => Ask::new("withdraw", name()),
            2 if !self.waiting.contains(&client) => {
                Ask::new("await", json!({ "name": "master", "timeout_ms": timeout }))
            }
            _ if self.bringing.is_some_and(|it| it.0 == client) => return None,
            _ => {
                let input = json!({ "name": "master", "value": self.last, "timeout_ms": timeout });
                Ask::new("exchange", input)
            }
        })
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        match ask.op {
            "await" => self.waiting.push(client),
            _ if self.bringing.is_some() => return Err("two wait for each other".into()),
            _ => self.bringing = Some((client, ask.input["value"].as_u64().ok_or("no value")?)),
        }
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let own = ask.input["value"].as_u64().unwrap_or(0);
        match (ask.op, answer) {
            ("publish", Ok(_)) if self.published.is_none() => self.published = Some((client, own)),
            ("publish", Err(fault)) if fault.code == 1 && self.published.is_some() => {}
            ("withdraw", Ok(_)) if self.published.is_some_and(|it| it.0 == client) => {
                self.published = None;
            }
            ("withdraw", Err(fault)) if fault.code == 2 => {}
            ("await", Ok(found)) => {
                self.waiting.retain(|it| *it != client);
                if self.published.is_none_or(|it| found["value"] != it.1) {
                    return Err(format!("{found}, but {:?} is published", self.published));
                }
            }
            ("await", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.waiting.retain(|it| *it != client);
            }
            ("exchange", Ok(found)) => {
                let got = found["value"].as_u64().ok_or("no value")?;
                if self
                    .bringing
                    .is_some_and(|it| it.0 == client && it.1 == own)
                {
                    self.bringing = None;
                }
                // Own for got; the other must say got for own.
                match self.owed.remove(&own) {
                    Some(other) if other == got => {}
                    None => {
                        self.owed.insert(got, own);
                    }
                    Some(other) => return Err(format!("{own} was given to {other}, not {got}")),
                }
            }
            ("exchange", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.bringing = None;
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.waiting.retain(|it| *it != client);
        self.published = self.published.filter(|it| it.0 != client);
        self.bringing = self.bringing.filter(|it| it.0 != client);
        Ok(())
    }

    fn check(&mut self, _: &mut dyn Host) -> Result<(), String> {
        match self.owed.is_empty() {
            true => Ok(()),
            false => Err(format!("one got and the other did not: {:?}", self.owed)),
        }
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        match self.published.is_some() && !self.waiting.is_empty() {
            true => Err(format!("{:?} wait for what is published", self.waiting)),
            false => Ok(()),
        }
    }
}

fn name() -> Value {
    json!({ "name": "master" })
}
