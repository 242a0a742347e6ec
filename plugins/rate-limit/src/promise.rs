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

use crate::RateLimit;

const PER_SECOND: u64 = 20;
const BURST: u64 = 6;

/// Never more than the burst and what the time has brought.
#[derive(Debug, Default)]
pub struct NeverTooFast {
    now: u64,
    /// When how many were taken.
    taken: Vec<(u64, u64)>,
    line: Vec<(usize, u64)>,
}

impl Promise for NeverTooFast {
    type Plugin = RateLimit;

    fn config(&mut self, _: &mut Dice) -> BTreeMap<String, String> {
        let text = |number: u64| number.to_string();
        [
            ("per_second".into(), text(PER_SECOND)),
            ("burst".into(), text(BURST)),
        ]
        .into()
    }

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        if self.line.iter().any(|it| it.0 == client) {
            return None;
        }
        let mut input = ask(1 + dice.below(BURST), dice.once_in(2));
        input["timeout_ms"] = json!(dice.once_in(2).then(|| dice.below(500)));
        Some(Ask::new("take", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        self.line
            .push((client, ask.input["permits"].as_u64().ok_or("no number")?));
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let in_line = self.line.iter().position(|it| it.0 == client);
        match answer {
            Ok(_) => {
                if in_line.is_some_and(|place| place != 0) {
                    return Err(format!("{client} came before its turn"));
                }
                if in_line.is_some() {
                    self.line.remove(0);
                }
                let permits = ask.input["permits"].as_u64().ok_or("no number")?;
                self.taken.push((self.now, permits));
                // From every moment on.
                let mut sum = 0;
                for (at, permits) in self.taken.iter().rev() {
                    sum += permits;
                    let brought = (self.now - at) * PER_SECOND / 1000;
                    if sum > BURST + brought {
                        return Err(format!("{sum} in {} ms", self.now - at));
                    }
                }
                Ok(())
            }
            Err(fault) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
                Ok(())
            }
            Err(fault) if fault.code == 1 => Ok(()),
            Err(fault) => Err(format!("{fault:?}")),
        }
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.line.retain(|it| it.0 != client);
        Ok(())
    }

    fn time(&mut self, now: u64) -> Result<(), String> {
        self.now = now;
        Ok(())
    }

    fn settled(&mut self, host: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let Some((next, permits)) = self.line.first() else {
            return Ok(());
        };
        let bucket: Value = host.get_json("api").map_err(|fault| fault.message)?;
        let at = bucket["at"].as_u64().ok_or("no time")?;
        let filled =
            (host.now() - at) * PER_SECOND + bucket["thousandths"].as_u64().ok_or("no number")?;
        match filled >= permits * 1000 {
            true => Err(format!(
                "{next} waits for {permits}, and {filled} thousandths are there"
            )),
            false => Ok(()),
        }
    }
}

fn ask(permits: u64, wait: bool) -> Value {
    json!({ "name": "api", "permits": permits, "wait": wait })
}
