//! A recipe's promise as the simulator's judge. Must never know a recipe.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, Promise};
use zareba_guest_sdk::{OpInfo, Plugin};
use zareba_sim::{Call, Judge, Seen};

use crate::view::CommittedView;

/// A promise at work. In the simulator every call that may wait has a timeout: a run has to end.
#[derive(Debug)]
pub struct Judged<P> {
    promise: P,
    ops: BTreeMap<String, OpInfo>,
    /// Names of operations, as a promise has them.
    names: BTreeSet<&'static str>,
    /// How often the promise was told of an answer.
    pub answers: u64,
}

impl<P: Promise> Default for Judged<P> {
    fn default() -> Self {
        let ops = P::Plugin::describe().ops.into_iter();
        Self {
            promise: P::default(),
            ops: ops.map(|op| (op.name.clone(), op)).collect(),
            names: BTreeSet::new(),
            answers: 0,
        }
    }
}

impl<P: Promise> Judged<P> {
    /// A call as the promise has made it.
    fn ask(&self, call: &Call) -> Result<Ask, String> {
        let op = self.names.get(call.op.as_str());
        let op = op.ok_or_else(|| format!("nobody called {}", call.op))?;
        let input = serde_json::from_slice(&call.input).map_err(|error| error.to_string())?;
        Ok(Ask::new(op, input))
    }
}

impl<P: Promise> Judge for Judged<P> {
    fn config(&mut self, random: u64) -> BTreeMap<String, String> {
        self.promise.config(&mut Dice::new(random))
    }

    fn next(&mut self, client: usize, random: u64) -> Option<Call> {
        let mut dice = Dice::new(random);
        let Ask { op, mut input } = self.promise.next(client, &mut dice)?;
        let info = self.ops.get(op).filter(|info| !info.read_only)?;
        if let Some(fields) = input.as_object_mut().filter(|_| info.may_park)
            && fields.get("timeout_ms").is_none_or(Value::is_null)
        {
            fields.insert("timeout_ms".to_owned(), json!(300 + dice.below(1_500)));
        }
        self.names.insert(op);
        Some(Call {
            op: op.to_owned(),
            input: Bytes::from(input.to_string()),
        })
    }

    fn sees(&mut self, seen: Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Time(now) => self.promise.time(now),
            Seen::Ended(client) => self.promise.ended(client),
            Seen::Parked(client, call) => {
                let ask = self.ask(call)?;
                self.promise.parked(client, &ask)
            }
            Seen::Answered(client, call, answer) => {
                self.answers += 1;
                let ask = self.ask(call)?;
                let parse = |value: &Bytes| -> Result<Value, String> {
                    serde_json::from_slice(value).map_err(|error| error.to_string())
                };
                let answer = match answer {
                    Ok(value) => Ok(parse(value)?),
                    Err(fault) => Err(crate::stage::fault(fault.clone())),
                };
                self.promise.answered(client, &ask, &answer)
            }
            Seen::State(tree, mount) => {
                let mut view = CommittedView::new(tree, mount);
                self.promise.check(&mut view)
            }
        }
    }
}
