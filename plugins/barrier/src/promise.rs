//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::Barrier;

/// Nobody goes on while it is set, and nobody waits once it is lifted.
#[derive(Debug, Default)]
pub struct HoldsBack {
    is_set: bool,
    /// Who waits for the present setting.
    waiting: Vec<usize>,
}

impl Promise for HoldsBack {
    type Plugin = Barrier;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        Some(match dice.below(6) {
            0 => Ask::new("set", gate()),
            1 => Ask::new("lift", gate()),
            _ if self.waiting.contains(&client) => return None,
            _ => {
                let timeout = dice.once_in(2).then(|| dice.below(300));
                Ask::new("wait", json!({ "name": "gate", "timeout_ms": timeout }))
            }
        })
    }

    fn parked(&mut self, client: usize, _: &Ask) -> Result<(), String> {
        self.waiting.push(client);
        match self.is_set {
            true => Ok(()),
            false => Err(format!("{client} waits, and it is not set")),
        }
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        match (ask.op, answer) {
            ("set", Ok(_)) => self.is_set = true,
            ("lift", Ok(_)) => self.is_set = false,
            ("wait", Ok(_)) if self.is_set => return Err(format!("{client} goes on")),
            ("wait", Ok(_)) => self.waiting.retain(|it| *it != client),
            ("wait", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.waiting.retain(|it| *it != client);
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.waiting.retain(|it| *it != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        match (self.is_set, self.waiting.is_empty()) {
            (false, false) => Err(format!("it is lifted, and {:?} wait", self.waiting)),
            _ => Ok(()),
        }
    }
}

fn gate() -> Value {
    json!({ "name": "gate" })
}
