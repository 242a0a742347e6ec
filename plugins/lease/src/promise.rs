//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::Lease;

/// One token at a time, whoever has it, until its time is over.
#[derive(Debug, Default)]
pub struct OneToken {
    now: u64,
    /// The token that holds, and until when.
    held: Option<(u64, u64)>,
    last: u64,
    line: Vec<usize>,
}

impl OneToken {
    fn lasts(&self) -> Option<u64> {
        self.held
            .filter(|held| held.1 > self.now)
            .map(|held| held.0)
    }
}

impl Promise for OneToken {
    type Plugin = Lease;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let token = self.held.map_or(7, |held| held.0);
        let ttl = 1 + dice.below(900);
        Some(match dice.below(6) {
            0 => Ask::new("release", json!({ "name": "job", "token": token })),
            1 | 2 => Ask::new(
                "renew",
                json!({ "name": "job", "token": token, "ttl_ms": ttl }),
            ),
            _ if self.line.contains(&client) => return None,
            _ => {
                let timeout = dice.once_in(2).then(|| dice.below(900));
                Ask::new(
                    "acquire",
                    json!({ "name": "job", "ttl_ms": ttl, "timeout_ms": timeout }),
                )
            }
        })
    }

    fn parked(&mut self, client: usize, _: &Ask) -> Result<(), String> {
        self.line.push(client);
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let in_line = self.line.iter().position(|it| *it == client);
        let asked = ask.input["token"].as_u64().unwrap_or(0);
        match (ask.op, answer) {
            ("acquire", Ok(grant)) => {
                let token = grant["token"].as_u64().ok_or("no token")?;
                let until = grant["until"].as_u64().ok_or("no time")?;
                let begun = until - ask.input["ttl_ms"].as_u64().ok_or("no ttl")?;
                // It may have been over before time came so far as it has now.
                if self.held.is_some_and(|held| held.1 > begun) {
                    return Err(format!("{token} from {begun}, but {:?} lasts", self.held));
                }
                if token <= self.last || in_line.is_some_and(|place| place != 0) {
                    return Err(format!("{token} to {client} of {:?}", self.line));
                }
                if in_line.is_some() {
                    self.line.remove(0);
                }
                (self.held, self.last) = (Some((token, until)), token);
            }
            ("acquire", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
            }
            ("renew", Ok(grant)) if self.lasts() == Some(asked) => {
                let until = grant["until"].as_u64().ok_or("no time")?;
                self.held = Some((asked, until));
            }
            ("release", Ok(_)) if self.lasts() == Some(asked) => self.held = None,
            ("renew" | "release", Err(fault)) if fault.code == 2 && self.lasts() != Some(asked) => {
            }
            (op, answer) => return Err(format!("{op} came to {answer:?} with {:?}", self.held)),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.line.retain(|it| *it != client);
        Ok(())
    }

    fn time(&mut self, now: u64) -> Result<(), String> {
        self.now = now;
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        match self.lasts().is_none() && !self.line.is_empty() {
            true => Err(format!("nobody holds it, and {:?} wait", self.line)),
            false => Ok(()),
        }
    }
}
