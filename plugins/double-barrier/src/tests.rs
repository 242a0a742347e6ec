//! The recipe over the host in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Caller, Fault, Host, Parked, code};

use super::DoubleBarrier;

fn enter(count: u64) -> Value {
    json!({ "name": "job", "count": count })
}

fn job() -> Value {
    json!({ "name": "job" })
}

fn waits(host: &mut MemoryHost, who: &Caller, count: u64) -> u64 {
    host.call::<DoubleBarrier>(who, "enter", enter(count))
        .unwrap()
        .parked()
}

#[test]
fn all_enter_together_and_all_leave_together() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let first = waits(&mut host, &one, 3);
    let second = waits(&mut host, &two, 3);
    let round = host
        .call::<DoubleBarrier>(&three, "enter", enter(3))
        .unwrap()
        .answer();
    assert_eq!(round["count"], 3);
    for call in [first, second] {
        assert_eq!(host.answer(call), Some(Ok(round.clone())));
    }
    let first = host
        .call::<DoubleBarrier>(&one, "leave", job())
        .unwrap()
        .parked();
    // Whose session ends has left.
    host.end_session::<DoubleBarrier>(two.session).unwrap();
    assert_eq!(host.answer(first), None);
    assert_eq!(
        host.call::<DoubleBarrier>(&three, "leave", job())
            .unwrap()
            .answer(),
        json!({})
    );
    assert_eq!(host.answer(first), Some(Ok(json!({}))));
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn a_timed_entry_that_gives_up_leaves_no_trace_and_lets_nobody_through_alone() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let input = json!({ "name": "job", "count": 2, "timeout_ms": 10 });
    let gave_up = host
        .call::<DoubleBarrier>(&one, "enter", input)
        .unwrap()
        .parked();
    host.advance::<DoubleBarrier>(10).unwrap();
    assert_eq!(
        host.answer(gave_up).unwrap().unwrap_err().code,
        code::OPERATION_TIMEOUT
    );
    assert_eq!(host.paths(), ["@line"]);
    let second = waits(&mut host, &two, 2);
    assert_eq!(host.answer(second), None);
    host.call::<DoubleBarrier>(&three, "enter", enter(2))
        .unwrap()
        .answer();
    assert!(host.answer(second).unwrap().is_ok());
}

#[test]
fn who_comes_while_a_round_is_under_way_enters_the_next() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    host.call::<DoubleBarrier>(&one, "enter", enter(1))
        .unwrap()
        .answer();
    let next = waits(&mut host, &two, 2);
    assert_eq!(
        host.call::<DoubleBarrier>(&three, "enter", enter(3))
            .unwrap_err()
            .code,
        1
    );
    let other = waits(&mut host, &three, 2);
    host.end_session::<DoubleBarrier>(one.session).unwrap();
    for call in [next, other] {
        assert!(host.answer(call).unwrap().is_ok());
    }
    assert_eq!(
        host.call::<DoubleBarrier>(&one, "leave", job())
            .unwrap_err()
            .code,
        2
    );
}

#[test]
fn three_hundred_enter_in_one_transaction() {
    let mut host = MemoryHost::default();
    let callers: Vec<Caller> = (0..300).map(|_| host.open_session()).collect();
    let calls: Vec<u64> = callers[1..]
        .iter()
        .map(|who| waits(&mut host, who, 300))
        .collect();
    host.call::<DoubleBarrier>(&callers[0], "enter", enter(300))
        .unwrap()
        .answer();
    assert!(
        calls
            .iter()
            .all(|call| host.answer(*call).is_some_and(|it| it.is_ok()))
    );
    let fault = host
        .call::<DoubleBarrier>(&callers[0], "enter", enter(301))
        .unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<DoubleBarrier>(env!("CARGO_MANIFEST_DIR"));
}

/// Nobody enters but with all others, nobody goes before the last has left.
#[derive(Default)]
struct Together {
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

#[test]
fn nobody_enters_alone_and_nobody_goes_too_early_whatever_happens() {
    chaos::check::<Together>();
}
