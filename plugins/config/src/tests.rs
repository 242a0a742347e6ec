//! The recipe over the host in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Caller, Fault, Host, Parked, code};

use super::Config;

fn publish(host: &mut MemoryHost, who: &Caller, values: Value) -> u64 {
    let input = json!({ "name": "web", "values": values });
    let published = host.call::<Config>(who, "publish", input).unwrap().answer();
    published["version"].as_u64().unwrap()
}

fn web() -> Value {
    json!({ "name": "web" })
}

#[test]
fn many_keys_are_one_version_and_who_follows_is_told_it_whole() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    assert_eq!(host.ask::<Config>(&one, "get", web()).unwrap_err().code, 2);
    let follows = host.call::<Config>(&two, "follow", web()).unwrap().parked();
    assert_eq!(
        publish(&mut host, &one, json!({ "port": 80, "host": "a" })),
        1
    );
    let whole = json!({ "version": 1, "values": { "host": "a", "port": 80 } });
    assert_eq!(host.answer(follows), Some(Ok(whole.clone())));
    assert_eq!(host.ask::<Config>(&one, "get", web()).unwrap(), whole);
    let known = json!({ "name": "web", "after": 1 });
    host.call::<Config>(&two, "follow", known).unwrap().parked();
    let ahead = json!({ "name": "web", "after": 9 });
    assert_eq!(
        host.call::<Config>(&two, "follow", ahead).unwrap_err().code,
        2
    );
}

#[test]
fn who_has_not_seen_the_last_version_does_not_overwrite_it() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    publish(&mut host, &one, json!({ "port": 80 }));
    let late = json!({ "name": "web", "values": {}, "expect": 0 });
    assert_eq!(
        host.call::<Config>(&one, "publish", late).unwrap_err().code,
        1
    );
    let merge = json!({ "name": "web", "values": { "host": "a", "port": null }, "merge": true, "expect": 1 });
    host.call::<Config>(&one, "publish", merge).unwrap();
    let now = host.ask::<Config>(&one, "get", web()).unwrap();
    assert_eq!(now, json!({ "version": 2, "values": { "host": "a" } }));
}

#[test]
fn an_older_version_is_published_again_and_the_oldest_are_forgotten() {
    let mut host = MemoryHost::default();
    host.config.insert("history".into(), "3".into());
    let one = host.open_session();
    for port in 1..=3 {
        publish(&mut host, &one, json!({ "port": port }));
    }
    let back = json!({ "name": "web", "version": 1, "note": "2 and 3 were wrong" });
    let version = host
        .call::<Config>(&one, "rollback", back)
        .unwrap()
        .answer();
    assert_eq!(version, json!({ "version": 4 }));
    let now = host.ask::<Config>(&one, "get", web()).unwrap();
    assert_eq!(now["values"], json!({ "port": 1 }));
    let history = host.ask::<Config>(&one, "history", web()).unwrap();
    let versions: Vec<&Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["version"])
        .collect();
    assert_eq!(versions, [2, 3, 4]);
    assert_eq!(history[2]["note"], "2 and 3 were wrong");
    let gone = json!({ "name": "web", "version": 1 });
    assert_eq!(host.ask::<Config>(&one, "get", gone).unwrap_err().code, 2);
}

#[test]
fn a_version_that_is_too_large_is_refused() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let input = json!({ "name": "web", "values": { "all": "x".repeat(256 << 10) } });
    let fault = host.call::<Config>(&one, "publish", input).unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Config>(env!("CARGO_MANIFEST_DIR"));
}

/// Every reader has one published version whole, and none older than it knows.
#[derive(Default)]
struct Whole {
    /// What each version said; of all keys the same.
    published: BTreeMap<u64, u64>,
    following: Vec<usize>,
}

impl Promise for Whole {
    type Plugin = Config;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let last = self.published.keys().last().copied().unwrap_or(0);
        Some(match dice.below(5) {
            0 | 1 => {
                let value = dice.below(1_000);
                let expect = dice.once_in(2).then_some(last);
                let values = json!({ "a": value, "b": value });
                Ask::new(
                    "publish",
                    json!({ "name": "web", "values": values, "expect": expect }),
                )
            }
            2 if last > 0 => Ask::new(
                "rollback",
                json!({ "name": "web", "version": 1 + dice.below(last) }),
            ),
            3 => Ask::new("get", web()),
            _ if self.following.contains(&client) => return None,
            _ => Ask::new(
                "follow",
                json!({ "name": "web", "after": last, "timeout_ms": 800 }),
            ),
        })
    }

    fn parked(&mut self, client: usize, _: &Ask) -> Result<(), String> {
        self.following.push(client);
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let last = self.published.keys().last().copied().unwrap_or(0);
        if ask.op == "follow" {
            self.following.retain(|it| *it != client);
        }
        match (ask.op, answer) {
            ("publish" | "rollback", Ok(published)) => {
                let version = published["version"].as_u64().ok_or("no version")?;
                let value = match ask.input["version"].as_u64() {
                    Some(old) => self.published.get(&old).copied(),
                    None => ask.input["values"]["a"].as_u64(),
                };
                if version != last + 1 {
                    return Err(format!("version {version} behind {last}"));
                }
                self.published.insert(version, value.ok_or("of nothing")?);
            }
            ("get" | "follow", Ok(whole)) => {
                let version = whole["version"].as_u64().ok_or("no version")?;
                let value = self.published.get(&version).ok_or("never published")?;
                if whole["values"] != json!({ "a": value, "b": value }) || version != last {
                    return Err(format!("{whole}, but {last} counts"));
                }
            }
            ("get" | "rollback", Err(fault)) if fault.code == 2 => {}
            ("follow", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {}
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.following.retain(|it| *it != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn every_reader_has_one_version_whole_whatever_happens() {
    chaos::check::<Whole>();
}
