//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::Fleet;

/// One master at a time, and no configuration but of the one that is.
#[derive(Debug, Default)]
pub struct OneMaster {
    master: Option<(usize, u64)>,
    standing: Vec<usize>,
    last: u64,
    config: Option<Value>,
    waiting: Vec<usize>,
}

impl Promise for OneMaster {
    type Plugin = Fleet;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let is_master = self.master.is_some_and(|it| it.0 == client);
        Some(match dice.below(6) {
            0 => Ask::new("configure", json!({ "values": dice.below(100) })),
            1 if is_master => Ask::new("resign", json!({})),
            2 if !self.waiting.contains(&client) => {
                let after = self
                    .config
                    .as_ref()
                    .map_or(0, |it| it["version"].as_u64().unwrap_or(0));
                Ask::new(
                    "config",
                    json!({ "after": after, "timeout_ms": dice.below(400) }),
                )
            }
            _ if is_master || self.standing.contains(&client) => return None,
            _ => Ask::new(
                "stand",
                json!({ "timeout_ms": dice.once_in(2).then(|| dice.below(400)) }),
            ),
        })
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        match ask.op {
            "stand" => self.standing.push(client),
            _ => self.waiting.push(client),
        }
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let is_master = self.master.is_some_and(|it| it.0 == client);
        let is_timeout = answer
            .as_ref()
            .is_err_and(|it| it.code == code::OPERATION_TIMEOUT);
        if ask.op == "stand" {
            self.standing.retain(|it| *it != client);
        }
        if ask.op == "config" {
            self.waiting.retain(|it| *it != client);
        }
        match (ask.op, answer) {
            ("stand", Ok(elected)) => {
                let term = elected["term"].as_u64().ok_or("no term")?;
                if self.master.is_some() || term <= self.last {
                    return Err(format!("{client} in {term} beside {:?}", self.master));
                }
                (self.master, self.last) = (Some((client, term)), term);
            }
            ("resign", Ok(_)) if is_master => self.master = None,
            ("configure", Ok(handed)) if is_master => {
                if self.master.is_none_or(|it| handed["term"] != it.1) {
                    return Err(format!("{handed} of {:?}", self.master));
                }
                self.config = Some(handed.clone());
            }
            ("configure" | "resign", Err(fault)) if fault.code == 1 && !is_master => {}
            ("config", Ok(handed)) if self.config.as_ref() == Some(handed) => {}
            ("stand" | "config", Err(_)) if is_timeout => {}
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.master = self.master.filter(|it| it.0 != client);
        self.standing.retain(|it| *it != client);
        self.waiting.retain(|it| *it != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        match self.master.is_none() && !self.standing.is_empty() {
            true => Err(format!("there is no master, and {:?} stand", self.standing)),
            false => Ok(()),
        }
    }
}
