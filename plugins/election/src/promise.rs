//! The recipe's promise, as a model that is told what its clients see. Chaos and the simulator judge by it.
//! Must never be linked into the component.

#![allow(
    clippy::indexing_slicing,
    reason = "an index into JSON that is not there gives null"
)]

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use crate::Election;

/// One leader, in the order of standing, with growing terms; observers are told what is so.
#[derive(Debug, Default)]
pub struct OneLeader {
    leader: Option<(usize, u64)>,
    line: Vec<usize>,
    last_term: u64,
}

impl Promise for OneLeader {
    type Plugin = Election;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let leads = self.leader.is_some_and(|leader| leader.0 == client);
        let stands = self.line.contains(&client);
        Some(match dice.below(6) {
            0 if leads || stands => Ask::new("resign", name()),
            1 => Ask::new("leader", name()),
            2 => {
                let term = self.leader.map_or(0, |leader| leader.1);
                let input = json!({ "name": "boss", "term": term, "timeout_ms": dice.below(300) });
                Ask::new("observe", input)
            }
            _ if leads || stands => return None,
            _ => {
                let timeout = dice.once_in(3).then(|| dice.below(300));
                Ask::new("stand", json!({ "name": "boss", "timeout_ms": timeout }))
            }
        })
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        if ask.op == "stand" {
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
            ("stand", Ok(elected)) => {
                let term = elected["term"].as_u64().ok_or("no term")?;
                if let Some((leader, _)) = self.leader {
                    return Err(format!("{client} and {leader} lead"));
                }
                if term <= self.last_term || in_line.is_some_and(|place| place != 0) {
                    return Err(format!("{client} leads in {term}, of {:?}", self.line));
                }
                if in_line.is_some() {
                    self.line.remove(0);
                }
                (self.leader, self.last_term) = (Some((client, term)), term);
            }
            ("stand", Err(fault)) if matches!(fault.code, 3 | code::OPERATION_TIMEOUT) => {
                self.line.remove(in_line.ok_or("a candidate out of line")?);
            }
            ("resign", Ok(_)) => {
                if self.leader.is_some_and(|leader| leader.0 == client) {
                    self.leader = None;
                }
            }
            ("leader", Ok(state)) => {
                let term = self.leader.map_or(0, |leader| leader.1);
                if state["term"] != term {
                    return Err(format!("{state}, but the term is {term}"));
                }
            }
            ("observe", Ok(state)) if state["term"] == ask.input["term"] => {
                return Err(format!("told of no change: {state}"));
            }
            ("observe", _) => {}
            // A leader's resignation took it, or the candidacy had ended meanwhile.
            ("resign", Err(fault)) if fault.code == 1 => {}
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.leader = self.leader.filter(|leader| leader.0 != client);
        self.line.retain(|it| *it != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        match (self.leader, self.line.first()) {
            (None, Some(next)) => Err(format!("nobody leads, and {next} stands")),
            _ => Ok(()),
        }
    }
}

fn name() -> Value {
    json!({ "name": "boss" })
}
