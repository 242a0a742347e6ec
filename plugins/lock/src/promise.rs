//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::Lock;

/// At most one holder, in the order of asking, with growing tokens, and never free while somebody waits.
#[derive(Debug, Default)]
pub struct OneHolder {
    /// Who holds it, how often, with which token.
    holder: Option<(usize, u64, u64)>,
    line: Vec<usize>,
    last_token: u64,
}

impl Promise for OneHolder {
    type Plugin = Lock;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let holds = self.holder.is_some_and(|(holder, ..)| holder == client);
        Some(match dice.below(8) {
            0..3 if holds => Ask::new("release", db()),
            3 if holds => Ask::new("revoked", db()),
            4 => Ask::new("try", db()),
            5 => Ask::new("revoke", db()),
            6 => Ask::new("release", db()),
            _ if self.line.contains(&client) => return None,
            _ => {
                let timeout = dice.once_in(3).then(|| dice.below(300));
                Ask::new("acquire", json!({ "name": "db", "timeout_ms": timeout }))
            }
        })
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        if ask.op == "acquire" {
            self.line.push(client);
        }
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let in_line = self.line.iter().position(|it| *it == client);
        match (ask.op, answer) {
            ("acquire" | "try", Ok(grant)) => {
                let token = token(grant);
                match &mut self.holder {
                    Some((holder, holds, own)) if *holder == client => {
                        *holds += 1;
                        if (token, grant["holds"].as_u64()) != (*own, Some(*holds)) {
                            return Err(format!("{grant} to who holds it {holds} times"));
                        }
                    }
                    Some((holder, ..)) => return Err(format!("{client} and {holder} hold it")),
                    None if token <= self.last_token => return Err(format!("token {token} again")),
                    None => {
                        if in_line.is_some_and(|place| place != 0) {
                            return Err(format!("{client} came before its turn"));
                        }
                        (self.holder, self.last_token) = (Some((client, 1, token)), token);
                    }
                }
                if ask.op == "acquire" && in_line == Some(0) {
                    self.line.remove(0);
                }
            }
            ("acquire", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
            }
            ("release", Ok(left)) => match &mut self.holder {
                Some((holder, holds, _)) if *holder == client => {
                    *holds -= 1;
                    if left["holds"] != *holds {
                        return Err(format!("{left}, but {holds} are left"));
                    }
                    if *holds == 0 {
                        self.holder = None;
                    }
                }
                holder => return Err(format!("{client} released what {holder:?} holds")),
            },
            ("release" | "revoked", Err(fault)) if fault.code == 2 => {
                if ask.op == "release" && self.holder.is_some_and(|(holder, ..)| holder == client) {
                    return Err("the holder may not release".into());
                }
            }
            ("try", Err(fault)) if fault.code == 1 => {}
            ("revoke", Err(fault)) if fault.code == code::NO_NODE && self.holder.is_none() => {}
            ("revoke" | "revoked", Ok(_)) => {}
            ("revoked", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {}
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.line.retain(|it| *it != client);
        self.holder = self.holder.filter(|(holder, ..)| *holder != client);
        Ok(())
    }

    fn settled(&mut self, host: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        if self.holder.is_none() && !self.line.is_empty() {
            return Err(format!("it is free, and {:?} wait", self.line));
        }
        let records = host.count_children("@line").unwrap_or(0);
        if records != self.line.len() as u64 {
            return Err(format!("{records} records of {} who wait", self.line.len()));
        }
        Ok(())
    }
}

fn db() -> Value {
    json!({ "name": "db" })
}

fn token(answer: &Value) -> u64 {
    answer["token"].as_u64().unwrap_or(0)
}
