//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Caller, Fault, Host, Parked, code};

use super::Fleet;

fn join(host: &mut MemoryHost, worker: &str) -> Caller {
    let who = host.open_session();
    let input = json!({ "worker": worker, "address": format!("{worker}:80") });
    host.call::<Fleet>(&who, "join", input).unwrap();
    who
}

fn healthy(host: &mut MemoryHost) -> Vec<String> {
    let who = host.open_session();
    let found = host.ask::<Fleet>(&who, "healthy", json!({})).unwrap();
    let mut names: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["worker"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn only_the_master_hands_out_configurations_and_all_who_wait_have_them() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let configure = json!({ "values": { "pages": 7 } });
    assert_eq!(
        host.call::<Fleet>(&one, "configure", configure.clone())
            .unwrap_err()
            .code,
        1
    );
    let first = host
        .call::<Fleet>(&one, "stand", json!({}))
        .unwrap()
        .answer();
    let next = host
        .call::<Fleet>(&two, "stand", json!({}))
        .unwrap()
        .parked();
    let waits = host
        .call::<Fleet>(&three, "config", json!({}))
        .unwrap()
        .parked();
    let handed = host
        .call::<Fleet>(&one, "configure", configure.clone())
        .unwrap()
        .answer();
    assert_eq!(host.answer(waits), Some(Ok(handed.clone())));
    assert_eq!(
        (&handed["term"], &handed["values"]["pages"]),
        (&first["term"], &json!(7))
    );
    host.end_session::<Fleet>(one.session).unwrap();
    assert!(host.answer(next).unwrap().unwrap()["term"].as_u64() > first["term"].as_u64());
    assert_eq!(
        host.call::<Fleet>(&one, "configure", configure)
            .unwrap_err()
            .code,
        1
    );
    let known = json!({ "after": handed["version"], "timeout_ms": 5 });
    let waits = host
        .call::<Fleet>(&three, "config", known)
        .unwrap()
        .parked();
    host.advance::<Fleet>(5).unwrap();
    assert_eq!(
        host.answer(waits).unwrap().unwrap_err().code,
        code::OPERATION_TIMEOUT
    );
}

#[test]
fn clients_find_those_who_said_lately_that_they_are_well() {
    let mut host = MemoryHost::default();
    let a = join(&mut host, "a");
    let b = join(&mut host, "b");
    let c = join(&mut host, "c");
    assert_eq!(healthy(&mut host), ["a", "b", "c"]);
    host.end_session::<Fleet>(c.session).unwrap();
    let ill = json!({ "worker": "b", "healthy": false, "status": "disk full" });
    host.call::<Fleet>(&b, "report", ill.clone()).unwrap();
    assert_eq!(host.call::<Fleet>(&a, "report", ill).unwrap_err().code, 3);
    assert_eq!(healthy(&mut host), ["a"]);
    host.advance::<Fleet>(10_000).unwrap();
    assert!(healthy(&mut host).is_empty());
    host.call::<Fleet>(&b, "report", json!({ "worker": "b", "healthy": true }))
        .unwrap();
    assert_eq!(healthy(&mut host), ["b"]);
    assert_eq!(
        host.call::<Fleet>(&b, "join", json!({ "worker": "a", "address": "" }))
            .unwrap_err()
            .code,
        2
    );
    host.call::<Fleet>(&a, "leave", json!({ "worker": "a" }))
        .unwrap();
    let all = host.ask::<Fleet>(&a, "workers", json!({})).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Fleet>(env!("CARGO_MANIFEST_DIR"));
}

/// One master at a time, and no configuration but of the one that is.
#[derive(Default)]
struct OneMaster {
    master: Option<(usize, u64)>,
    standing: Vec<usize>,
    last: u64,
    config: Option<Value>,
    waiting: Vec<usize>,
}

impl Promise for OneMaster {
    type Plugin = Fleet;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let is_master = self.master.is_some_and(|it| it.0 == client);
        Some(match dice.below(6) {
            0 => Ask::new("configure", json!({ "values": dice.below(100) })),
            1 if is_master => Ask::new("resign", json!({})),
            2 if !self.waiting.contains(&client) => {
                let after = self
                    .config
                    .as_ref()
                    .map_or(0, |it| it["version"].as_u64().unwrap_or(0));
                Ask::new(
                    "config",
                    json!({ "after": after, "timeout_ms": dice.below(400) }),
                )
            }
            _ if is_master || self.standing.contains(&client) => return None,
            _ => Ask::new(
                "stand",
                json!({ "timeout_ms": dice.once_in(2).then(|| dice.below(400)) }),
            ),
        })
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        match ask.op {
            "stand" => self.standing.push(client),
            _ => self.waiting.push(client),
        }
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let is_master = self.master.is_some_and(|it| it.0 == client);
        let is_timeout = answer
            .as_ref()
            .is_err_and(|it| it.code == code::OPERATION_TIMEOUT);
        if ask.op == "stand" {
            self.standing.retain(|it| *it != client);
        }
        if ask.op == "config" {
            self.waiting.retain(|it| *it != client);
        }
        match (ask.op, answer) {
            ("stand", Ok(elected)) => {
                let term = elected["term"].as_u64().ok_or("no term")?;
                if self.master.is_some() || term <= self.last {
                    return Err(format!("{client} in {term} beside {:?}", self.master));
                }
                (self.master, self.last) = (Some((client, term)), term);
            }
            ("resign", Ok(_)) if is_master => self.master = None,
            ("configure", Ok(handed)) if is_master => {
                if self.master.is_none_or(|it| handed["term"] != it.1) {
                    return Err(format!("{handed} of {:?}", self.master));
                }
                self.config = Some(handed.clone());
            }
            ("configure" | "resign", Err(fault)) if fault.code == 1 && !is_master => {}
            ("config", Ok(handed)) if self.config.as_ref() == Some(handed) => {}
            ("stand" | "config", Err(_)) if is_timeout => {}
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.master = self.master.filter(|it| it.0 != client);
        self.standing.retain(|it| *it != client);
        self.waiting.retain(|it| *it != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        match self.master.is_none() && !self.standing.is_empty() {
            true => Err(format!("there is no master, and {:?} stand", self.standing)),
            false => Ok(()),
        }
    }
}

#[test]
fn one_master_at_a_time_hands_out_configurations_whatever_happens() {
    chaos::check::<OneMaster>();
}
