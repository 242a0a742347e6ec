//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::RwLock;

/// Readers or one writer, in the order of asking, never free for who is next.
#[derive(Debug, Default)]
pub struct Order {
    /// Holds: who, whether for writing, which.
    held: Vec<(usize, bool, u64)>,
    line: Vec<(usize, bool)>,
}

impl Promise for Order {
    type Plugin = RwLock;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let own: Vec<_> = self.held.iter().filter(|it| it.0 == client).collect();
        if !own.is_empty() && dice.once_in(2) {
            let (_, write, hold) = *dice.pick(&own);
            let op = if *write && dice.once_in(2) {
                "downgrade"
            } else {
                "release"
            };
            return Some(Ask::new(op, json!({ "name": "db", "hold": hold })));
        }
        if self.line.iter().any(|it| it.0 == client) || own.len() > 1 {
            return None;
        }
        let mode = if dice.once_in(3) { "write" } else { "read" };
        let timeout = dice.once_in(3).then(|| dice.below(200));
        let wait = !dice.once_in(5);
        let input = json!({ "name": "db", "mode": mode, "wait": wait, "timeout_ms": timeout });
        Some(Ask::new("acquire", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        self.line.push((client, ask.input["mode"] == "write"));
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
                let write = grant["mode"] == "write";
                if in_line.is_some_and(|place| place != 0) {
                    return Err(format!("{client} came before its turn"));
                }
                if in_line.is_some() {
                    self.line.remove(0);
                }
                let hold = grant["hold"].as_u64().ok_or("no hold")?;
                self.held.push((client, write, hold));
            }
            ("acquire", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
            }
            ("acquire", Err(fault)) if fault.code == 1 => {}
            ("release", Ok(_)) => self
                .held
                .retain(|it| Some(it.2) != ask.input["hold"].as_u64()),
            ("downgrade", Ok(_)) => {
                let meant = |it: &&mut (usize, bool, u64)| Some(it.2) == ask.input["hold"].as_u64();
                self.held.iter_mut().find(meant).ok_or("no such hold")?.1 = false;
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        let writers = self.held.iter().filter(|it| it.1).count();
        if writers > 1 || writers == 1 && self.held.len() > 1 {
            return Err(format!("held by {:?}", self.held));
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.held.retain(|it| it.0 != client);
        self.line.retain(|it| it.0 != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let Some((next, write)) = self.line.first() else {
            return Ok(());
        };
        let is_free = match write {
            true => self.held.is_empty(),
            false => self.held.iter().all(|it| !it.1),
        };
        if is_free {
            return Err(format!("{next} could be let in, with {:?}", self.held));
        }
        Ok(())
    }
}
