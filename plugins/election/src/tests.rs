//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use super::Election;

fn name() -> Value {
    json!({ "name": "boss" })
}

fn stand(data: &str) -> Value {
    json!({ "name": "boss", "data": data })
}

#[test]
fn the_candidate_that_has_stood_longest_leads_next_with_a_greater_term() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let first = host
        .call::<Election>(&one, "stand", stand("one"))
        .unwrap()
        .answer();
    let second = host
        .call::<Election>(&two, "stand", stand("two"))
        .unwrap()
        .parked();
    let third = host
        .call::<Election>(&three, "stand", stand("three"))
        .unwrap()
        .parked();
    let candidates = host.ask::<Election>(&one, "candidates", name()).unwrap();
    assert_eq!(
        candidates,
        json!({ "candidates": [two.session, three.session] })
    );
    host.end_session::<Election>(one.session).unwrap();
    let term = host.answer(second).unwrap().unwrap()["term"].clone();
    assert!(term.as_u64() > first["term"].as_u64());
    let leader = host.ask::<Election>(&three, "leader", name()).unwrap();
    assert_eq!(
        leader,
        json!({ "term": term, "session": two.session, "data": "two" })
    );
    host.call::<Election>(&two, "resign", name()).unwrap();
    assert!(host.answer(third).unwrap().is_ok());
}

#[test]
fn who_stands_may_resign_and_stands_only_once() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    let term = host
        .call::<Election>(&one, "stand", stand(""))
        .unwrap()
        .answer();
    assert_eq!(
        host.call::<Election>(&one, "stand", stand(""))
            .unwrap()
            .answer(),
        term
    );
    assert_eq!(
        host.call::<Election>(&two, "resign", name())
            .unwrap_err()
            .code,
        1
    );
    let call = host
        .call::<Election>(&two, "stand", stand(""))
        .unwrap()
        .parked();
    assert_eq!(
        host.call::<Election>(&two, "stand", stand(""))
            .unwrap_err()
            .code,
        2
    );
    host.call::<Election>(&two, "resign", name()).unwrap();
    assert_eq!(host.answer(call).unwrap().unwrap_err().code, 3);
    host.call::<Election>(&one, "resign", name()).unwrap();
    assert_eq!(host.paths(), ["@line", "@term"]);
}

#[test]
fn observers_hear_of_every_change_however_many_they_are() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let calls: Vec<u64> = (0..1_000)
        .map(|_| {
            let observer = host.open_session();
            host.call::<Election>(&observer, "observe", name())
                .unwrap()
                .parked()
        })
        .collect();
    let elected = host
        .call::<Election>(&one, "stand", stand("one"))
        .unwrap()
        .answer();
    host.advance::<Election>(0).unwrap();
    for call in calls {
        assert_eq!(host.answer(call).unwrap().unwrap()["term"], elected["term"]);
    }
    let known = json!({ "name": "boss", "term": elected["term"] });
    let observer = host.open_session();
    let call = host
        .call::<Election>(&observer, "observe", known)
        .unwrap()
        .parked();
    host.end_session::<Election>(one.session).unwrap();
    let gone = host.answer(call).unwrap().unwrap();
    assert_eq!(gone, json!({ "term": 0, "session": null, "data": null }));
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Election>(env!("CARGO_MANIFEST_DIR"));
}

/// One leader, in the order of standing, with growing terms; observers are told what is so.
#[derive(Default)]
struct OneLeader {
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

#[test]
fn at_most_one_session_leads_whatever_happens() {
    chaos::check::<OneLeader>();
}
