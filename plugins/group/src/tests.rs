//! The recipe over the host in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use super::Group;

fn web(member: &str, data: &str) -> Value {
    json!({ "group": "web", "member": member, "data": data })
}

fn names(members: &Value) -> Vec<&str> {
    let members = members["members"].as_array().unwrap();
    members
        .iter()
        .map(|it| it["member"].as_str().unwrap())
        .collect()
}

#[test]
fn a_member_belongs_until_it_leaves_or_its_session_ends() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<Group>(&one, "join", web("a", "10.0.0.1"))
        .unwrap();
    host.call::<Group>(&two, "join", web("b", "10.0.0.2"))
        .unwrap();
    let members = host
        .ask::<Group>(&one, "members", json!({ "group": "web" }))
        .unwrap();
    assert_eq!(names(&members), ["a", "b"]);
    assert_eq!(members["members"][0]["data"], "10.0.0.1");
    assert_eq!(
        host.call::<Group>(&two, "join", web("a", ""))
            .unwrap_err()
            .code,
        1
    );
    let a = json!({ "group": "web", "member": "a" });
    assert_eq!(
        host.call::<Group>(&two, "leave", a.clone())
            .unwrap_err()
            .code,
        2
    );
    host.end_session::<Group>(two.session).unwrap();
    let members = host
        .ask::<Group>(&one, "members", json!({ "group": "web" }))
        .unwrap();
    assert_eq!(names(&members), ["a"]);
    host.call::<Group>(&one, "leave", a).unwrap();
    assert!(host.paths().is_empty());
}

#[test]
fn joins_and_leaves_are_told_in_order_to_who_follows() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let joined = host
        .call::<Group>(&one, "join", web("a", "x"))
        .unwrap()
        .answer();
    let follow = |after: &Value| json!({ "group": "web", "after": after });
    let call = host
        .call::<Group>(&three, "follow", follow(&joined["version"]))
        .unwrap()
        .parked();
    host.call::<Group>(&two, "join", web("b", "y")).unwrap();
    let first = host.answer(call).unwrap().unwrap();
    assert_eq!(
        (&first["changes"][0]["member"], &first["changes"][0]["kind"]),
        (&json!("b"), &json!("joined"))
    );
    host.call::<Group>(&one, "join", web("a", "z")).unwrap();
    host.end_session::<Group>(two.session).unwrap();
    let rest = host
        .call::<Group>(&three, "follow", follow(&first["version"]))
        .unwrap()
        .answer();
    let kinds: Vec<&Value> = rest["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["updated", "left"]);
    assert_eq!(rest["complete"], true);
}

#[test]
fn who_was_away_for_too_long_is_told_so() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let first = host
        .call::<Group>(&one, "join", web("a", ""))
        .unwrap()
        .answer();
    for turn in 0..70 {
        host.call::<Group>(&one, "join", web("a", &turn.to_string()))
            .unwrap();
    }
    let follow = json!({ "group": "web", "after": first["version"] });
    let rest = host.call::<Group>(&one, "follow", follow).unwrap().answer();
    assert_eq!(rest["complete"], false);
    let ahead = json!({ "group": "web", "after": u64::MAX });
    assert_eq!(
        host.call::<Group>(&one, "follow", ahead).unwrap_err().code,
        code::BAD_ARGUMENTS
    );
}

#[test]
fn a_thousand_followers_are_all_told() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let first = host
        .call::<Group>(&one, "join", web("a", ""))
        .unwrap()
        .answer();
    let follow = json!({ "group": "web", "after": first["version"] });
    let calls: Vec<u64> = (0..1_000)
        .map(|_| {
            let session = host.open_session();
            host.call::<Group>(&session, "follow", follow.clone())
                .unwrap()
                .parked()
        })
        .collect();
    host.end_session::<Group>(one.session).unwrap();
    host.advance::<Group>(0).unwrap();
    assert!(
        calls
            .iter()
            .all(|call| host.answer(*call).is_some_and(|it| it.is_ok()))
    );
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Group>(env!("CARGO_MANIFEST_DIR"));
}

/// The members are those whose sessions live and who have not left; who follows learns of every change.
#[derive(Default)]
struct Truthful {
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

#[test]
fn members_are_whose_sessions_live_and_followers_miss_nothing_whatever_happens() {
    chaos::check::<Truthful>();
}
