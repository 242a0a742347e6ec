//! The recipe over the host in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use super::MultiLock;

fn names(names: &[&str]) -> Value {
    json!({ "names": names })
}

#[test]
fn all_are_taken_or_none() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<MultiLock>(&one, "acquire", names(&["b"]))
        .unwrap()
        .answer();
    let both = host
        .call::<MultiLock>(&two, "acquire", names(&["a", "b"]))
        .unwrap()
        .parked();
    assert_eq!(host.paths(), ["@line", "@line/0000000000000004", "b"]);
    host.call::<MultiLock>(&one, "release", names(&["b"]))
        .unwrap();
    let grant = host.answer(both).unwrap().unwrap();
    assert_eq!(grant["names"], json!(["a", "b"]));
    let fault = host
        .call::<MultiLock>(&one, "release", names(&["a"]))
        .unwrap_err();
    assert_eq!(fault.code, 2);
    let fault = host
        .call::<MultiLock>(&two, "acquire", names(&["b", "c"]))
        .unwrap_err();
    assert_eq!(fault.code, 3);
    host.end_session::<MultiLock>(two.session).unwrap();
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn who_waits_is_passed_only_by_those_who_want_something_else() {
    let mut host = MemoryHost::default();
    let [one, two, three, four] = std::array::from_fn(|_| host.open_session());
    host.call::<MultiLock>(&one, "acquire", names(&["a"]))
        .unwrap()
        .answer();
    let second = host
        .call::<MultiLock>(&two, "acquire", names(&["a", "b"]))
        .unwrap()
        .parked();
    // Nobody holds b, but the second waits for it.
    let third = host
        .call::<MultiLock>(&three, "acquire", names(&["b"]))
        .unwrap()
        .parked();
    host.call::<MultiLock>(&four, "acquire", names(&["c"]))
        .unwrap()
        .answer();
    let no_wait = json!({ "names": ["b"], "wait": false });
    assert_eq!(
        host.call::<MultiLock>(&four, "acquire", no_wait)
            .unwrap_err()
            .code,
        1
    );
    host.end_session::<MultiLock>(two.session).unwrap();
    assert!(host.answer(third).unwrap().is_ok());
    assert_eq!(host.answer(second), None);
}

#[test]
fn two_that_want_the_same_in_another_order_do_not_wait_for_each_other() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<MultiLock>(&one, "acquire", names(&["a", "b"]))
        .unwrap()
        .answer();
    let other = host
        .call::<MultiLock>(&two, "acquire", names(&["b", "a"]))
        .unwrap()
        .parked();
    host.call::<MultiLock>(&one, "release", names(&["a"]))
        .unwrap();
    assert_eq!(host.answer(other), None);
    host.call::<MultiLock>(&one, "release", names(&["b"]))
        .unwrap();
    assert!(host.answer(other).unwrap().is_ok());
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<MultiLock>(env!("CARGO_MANIFEST_DIR"));
}

/// One holder of each lock, all or none, and nobody passed by who wants the same.
#[derive(Default)]
struct AllOrNone {
    held: BTreeMap<String, usize>,
    line: Vec<(usize, Vec<String>)>,
}

fn wish(ask: &Ask) -> Vec<String> {
    serde_json::from_value(ask.input["names"].clone()).unwrap()
}

impl Promise for AllOrNone {
    type Plugin = MultiLock;

    const CLIENTS: usize = 5;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let own: Vec<String> = self
            .held
            .iter()
            .filter(|it| *it.1 == client)
            .map(|it| it.0.clone())
            .collect();
        if !own.is_empty() && dice.once_in(2) {
            let count = 1 + dice.below(own.len() as u64) as usize;
            return Some(Ask::new("release", json!({ "names": own[..count] })));
        }
        if self.line.iter().any(|it| it.0 == client) || !own.is_empty() {
            return None;
        }
        let mut all = ["a", "b", "c", "d"];
        dice.shuffle(&mut all);
        let count = 1 + dice.below(3) as usize;
        let timeout = dice.once_in(3).then(|| dice.below(200));
        let input = json!({ "names": all[..count], "timeout_ms": timeout });
        Some(Ask::new("acquire", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        self.line.push((client, wish(ask)));
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
            ("acquire", Ok(_)) => {
                let ahead = in_line.unwrap_or(self.line.len());
                for name in wish(ask) {
                    let passed = self.line[..ahead].iter().find(|it| it.1.contains(&name));
                    if let Some((passed, _)) = passed {
                        return Err(format!("{client} got {name}, for which {passed} waits"));
                    }
                    if let Some(other) = self.held.insert(name.clone(), client) {
                        return Err(format!("{client} and {other} hold {name}"));
                    }
                }
                if let Some(place) = in_line {
                    self.line.remove(place);
                }
            }
            ("acquire", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
            }
            ("release", Ok(_)) => wish(ask).iter().for_each(|name| {
                self.held.remove(name);
            }),
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.held.retain(|_, it| *it != client);
        self.line.retain(|it| it.0 != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        for (place, (client, names)) in self.line.iter().enumerate() {
            let before = self.line[..place].iter().flat_map(|it| &it.1);
            let is_blocked = names.iter().any(|name| self.held.contains_key(name))
                || before.into_iter().any(|name| names.contains(name));
            if !is_blocked {
                return Err(format!("{client} could have {names:?}"));
            }
        }
        Ok(())
    }
}

#[test]
fn locks_are_taken_all_or_none_whatever_happens() {
    chaos::check::<AllOrNone>();
}
