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

use crate::Group;

/// The members are those whose sessions live and who have not left; who follows learns of every change.
#[derive(Debug, Default)]
pub struct Truthful {
    members: BTreeMap<usize, String>,
    /// What a follower that began with an empty group would think, by client: version and members.
    thinks: BTreeMap<usize, (u64, BTreeMap<String, String>)>,
    following: Vec<usize>,
}

impl Promise for Truthful {
    type Plugin = Group;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let own = format!("m{client}");
        Some(match dice.below(5) {
            0 => Ask::new("leave", json!({ "group": "web", "member": own })),
            1 => Ask::new("members", json!({ "group": "web" })),
            2 if !self.following.contains(&client) && self.thinks.contains_key(&client) => {
                let after = self.thinks.get(&client).map_or(0, |it| it.0);
                Ask::new(
                    "follow",
                    json!({ "group": "web", "after": after, "timeout_ms": 500 }),
                )
            }
            _ => Ask::new("join", web(&own, &dice.below(9).to_string())),
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
        match (ask.op, answer) {
            ("join", Ok(_)) => {
                let data = ask.input["data"].as_str().ok_or("no data")?.to_owned();
                self.members.insert(client, data);
            }
            ("leave", Ok(_)) => {
                self.members.remove(&client).ok_or("it was no member")?;
            }
            ("leave", Err(fault)) if fault.code == 2 && !self.members.contains_key(&client) => {}
            ("members", Ok(got)) => {
                let mut seen = BTreeMap::new();
                for member in got["members"].as_array().ok_or("no members")? {
                    let text = |key: &str| member[key].as_str().unwrap_or_default().to_owned();
                    seen.insert(text("member"), text("data"));
                }
                let version = got["version"].as_u64().ok_or("no version")?;
                let truth: BTreeMap<String, String> = self
                    .members
                    .iter()
                    .map(|(it, data)| (format!("m{it}"), data.clone()))
                    .collect();
                if seen != truth {
                    return Err(format!("{seen:?}, but {truth:?} are members"));
                }
                self.thinks.insert(client, (version, seen));
            }
            ("follow", Ok(news)) => {
                self.following.retain(|it| *it != client);
                self.learn(client, news)?;
            }
            ("follow", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.following.retain(|it| *it != client);
            }
            // The group was empty meanwhile, and is younger than what this one knows.
            ("follow", Err(fault)) if fault.code == code::BAD_ARGUMENTS => {
                self.thinks.remove(&client);
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.members.remove(&client);
        self.following.retain(|it| *it != client);
        self.thinks.remove(&client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        // Who follows to the end has the truth.
        for client in &self.following {
            let Some((_, thinks)) = self.thinks.get(client) else {
                continue;
            };
            let truth: BTreeMap<String, String> = self
                .members
                .iter()
                .map(|(it, data)| (format!("m{it}"), data.clone()))
                .collect();
            if *thinks != truth {
                return Err(format!(
                    "{client} thinks {thinks:?}, but {truth:?} are members"
                ));
            }
        }
        Ok(())
    }
}

impl Truthful {
    fn learn(&mut self, client: usize, news: &Value) -> Result<(), String> {
        if news["complete"] != true {
            self.thinks.remove(&client);
            return Ok(());
        }
        let Some((version, members)) = self.thinks.get_mut(&client) else {
            return Ok(());
        };
        for change in news["changes"].as_array().ok_or("no changes")? {
            let next = change["version"].as_u64().ok_or("no version")?;
            if next <= *version {
                return Err(format!("{change} is not behind {version}"));
            }
            *version = next;
            let member = change["member"].as_str().ok_or("no member")?.to_owned();
            match change["data"].as_str() {
                Some(data) if change["kind"] != "left" => members.insert(member, data.to_owned()),
                _ => members.remove(&member),
            };
        }
        match news["version"] == *version {
            true => Ok(()),
            false => Err(format!("{news} does not end where it says")),
        }
    }
}

fn web(member: &str, data: &str) -> Value {
    json!({ "group": "web", "member": member, "data": data })
}
