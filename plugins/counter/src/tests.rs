//! The recipe over the host in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use super::Counter;

#[test]
fn a_counter_counts_from_nothing_up_and_down_within_its_bounds() {
    let mut host = MemoryHost::default();
    host.config.insert("max".into(), "5".into());
    let one = host.open_session();
    let mut add = |input: Value| host.call::<Counter>(&one, "add", input);
    assert_eq!(
        add(json!({ "name": "n" })).unwrap().answer(),
        json!({ "value": 1 })
    );
    assert_eq!(
        add(json!({ "name": "n", "by": 4 })).unwrap().answer(),
        json!({ "value": 5 })
    );
    assert_eq!(add(json!({ "name": "n" })).unwrap_err().code, 1);
    assert_eq!(
        add(json!({ "name": "n", "by": -6, "min": 0 }))
            .unwrap_err()
            .code,
        1
    );
    assert_eq!(
        add(json!({ "name": "n", "by": i64::MIN }))
            .unwrap()
            .answer(),
        json!({ "value": i64::MIN + 5 })
    );
    assert_eq!(add(json!({ "name": "n", "by": -6 })).unwrap_err().code, 1);
    assert_eq!(
        host.get("n").unwrap().0,
        (i64::MIN + 5).to_string().as_bytes()
    );
}

#[test]
fn several_are_added_to_all_or_none() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let by = json!({ "by": { "a": 1, "b": 2 }, "max": 2 });
    let values = host
        .call::<Counter>(&one, "add_all", by.clone())
        .unwrap()
        .answer();
    assert_eq!(values, json!({ "values": { "a": 1, "b": 2 } }));
    assert_eq!(
        host.call::<Counter>(&one, "add_all", by).unwrap_err().code,
        1
    );
    let list = host.ask::<Counter>(&one, "list", json!({})).unwrap();
    assert_eq!(list, values);
}

#[test]
fn a_counter_is_set_only_if_it_is_what_was_expected() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let set = json!({ "name": "n", "value": 7, "expect": 0 });
    assert_eq!(
        host.call::<Counter>(&one, "set", set.clone())
            .unwrap()
            .answer(),
        json!({ "value": 7 })
    );
    let fault = host.call::<Counter>(&one, "set", set).unwrap_err();
    assert_eq!(
        (fault.code, fault.message.as_str()),
        (2, "\"n\" is 7, not 0")
    );
    let was = host
        .call::<Counter>(&one, "remove", json!({ "name": "n" }))
        .unwrap()
        .answer();
    assert_eq!(was, json!({ "value": 7 }));
    assert_eq!(
        host.ask::<Counter>(&one, "get", json!({ "name": "n" }))
            .unwrap(),
        json!({ "value": 0 })
    );
}

#[test]
fn a_config_that_is_no_number_is_named() {
    let mut host = MemoryHost::default();
    host.config.insert("min".into(), "low".into());
    let one = host.open_session();
    let fault = host
        .call::<Counter>(&one, "add", json!({ "name": "n" }))
        .unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
    assert!(fault.message.contains("min=\"low\""), "{}", fault.message);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Counter>(env!("CARGO_MANIFEST_DIR"));
}

/// What is there is what was said to have been added, within the bounds.
#[derive(Default)]
struct Sums {
    values: BTreeMap<String, i64>,
}

impl Promise for Sums {
    type Plugin = Counter;

    fn config(&mut self, _: &mut Dice) -> BTreeMap<String, String> {
        [
            ("min".to_owned(), "0".to_owned()),
            ("max".to_owned(), "40".to_owned()),
        ]
        .into()
    }

    fn next(&mut self, _: usize, dice: &mut Dice) -> Option<Ask> {
        let name = *dice.pick(&["a", "b"]);
        let by = dice.below(21) as i64 - 9;
        Some(match dice.below(5) {
            0 => Ask::new("add_all", json!({ "by": { "a": by, "b": 1 } })),
            1 => Ask::new(
                "set",
                json!({ "name": name, "value": by, "expect": dice.below(6) }),
            ),
            2 => Ask::new("get", json!({ "name": name })),
            _ => Ask::new("add", json!({ "name": name, "by": by })),
        })
    }

    fn answered(
        &mut self,
        _: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let name = ask.input["name"].as_str().unwrap_or_default();
        let value = self.values.get(name).copied().unwrap_or(0);
        let by = |name: &str| ask.input["by"][name].as_i64().unwrap_or(0);
        match (ask.op, answer) {
            ("add", Ok(_)) => {
                let by = ask.input["by"].as_i64().unwrap_or(0);
                self.values.insert(name.to_owned(), value + by);
            }
            ("add_all", Ok(_)) => {
                for name in ["a", "b"] {
                    *self.values.entry(name.into()).or_default() += by(name);
                }
            }
            ("set", Ok(_)) if ask.input["expect"] == value => {
                let value = ask.input["value"].as_i64().ok_or("no value")?;
                self.values.insert(name.to_owned(), value);
            }
            ("get", Ok(got)) if got["value"] == value => {}
            (_, Err(fault)) if matches!(fault.code, 1 | 2) => {}
            (op, answer) => return Err(format!("{op} of {value} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn check(&mut self, host: &mut dyn Host) -> Result<(), String> {
        for (name, value) in &self.values {
            let found = host
                .get_json_opt::<i64>(name)
                .map_err(|fault| fault.message)?;
            if found.unwrap_or(0) != *value || !(0..=40).contains(value) {
                return Err(format!("{name} is {found:?}, of {value}"));
            }
        }
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, parked: &[Parked]) -> Result<(), String> {
        match parked {
            [] => Ok(()),
            _ => Err("nobody waits for a counter".into()),
        }
    }
}

#[test]
fn nothing_is_lost_or_counted_twice_whatever_happens() {
    chaos::check::<Sums>();
}
