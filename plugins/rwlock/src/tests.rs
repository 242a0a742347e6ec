//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Caller, Fault, Host, Parked, code};

use super::RwLock;

fn ask(mode: &str) -> Value {
    json!({ "name": "db", "mode": mode })
}

fn db() -> Value {
    json!({ "name": "db" })
}

fn takes(host: &mut MemoryHost, who: &Caller, mode: &str) -> Value {
    host.call::<RwLock>(who, "acquire", ask(mode))
        .unwrap()
        .answer()
}

fn waits(host: &mut MemoryHost, who: &Caller, mode: &str) -> u64 {
    host.call::<RwLock>(who, "acquire", ask(mode))
        .unwrap()
        .parked()
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    takes(&mut host, &one, "read");
    takes(&mut host, &two, "read");
    let writer = waits(&mut host, &three, "write");
    host.call::<RwLock>(&one, "release", db()).unwrap();
    assert_eq!(host.answer(writer), None);
    host.call::<RwLock>(&two, "release", db()).unwrap();
    assert!(host.answer(writer).unwrap().is_ok());
    let reader = waits(&mut host, &one, "read");
    host.end_session::<RwLock>(three.session).unwrap();
    assert!(host.answer(reader).unwrap().is_ok());
    host.call::<RwLock>(&one, "release", db()).unwrap();
    assert_eq!(host.paths(), ["@line"]);
}

#[test]
fn a_reader_does_not_pass_a_writer_that_waits_and_comes_in_when_that_gives_up() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    takes(&mut host, &one, "read");
    let input = json!({ "name": "db", "mode": "write", "timeout_ms": 10 });
    host.call::<RwLock>(&two, "acquire", input)
        .unwrap()
        .parked();
    let reader = waits(&mut host, &three, "read");
    let now = json!({ "name": "db", "mode": "read", "wait": false });
    assert_eq!(
        host.call::<RwLock>(&two, "acquire", now).unwrap_err().code,
        1
    );
    host.advance::<RwLock>(10).unwrap();
    assert!(host.answer(reader).unwrap().is_ok());
}

#[test]
fn a_writer_becomes_a_reader_with_nobody_in_between() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    takes(&mut host, &one, "write");
    let reader = waits(&mut host, &two, "read");
    let writer = waits(&mut host, &three, "write");
    host.call::<RwLock>(&one, "downgrade", db()).unwrap();
    assert!(host.answer(reader).unwrap().is_ok());
    assert_eq!(host.answer(writer), None);
    assert_eq!(
        host.call::<RwLock>(&one, "downgrade", db())
            .unwrap_err()
            .code,
        2
    );
}

#[test]
fn a_session_with_several_holds_says_which() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let first = takes(&mut host, &one, "read");
    takes(&mut host, &one, "read");
    assert_eq!(
        host.call::<RwLock>(&one, "release", db()).unwrap_err().code,
        3
    );
    let input = json!({ "name": "db", "hold": first["hold"] });
    host.call::<RwLock>(&one, "release", input).unwrap();
    host.call::<RwLock>(&one, "release", db()).unwrap();
    assert!(host.paths().is_empty());
}

#[test]
fn more_readers_than_one_transaction_holds_all_come_in() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    takes(&mut host, &one, "write");
    let calls: Vec<u64> = (0..1_000)
        .map(|_| {
            let reader = host.open_session();
            waits(&mut host, &reader, "read")
        })
        .collect();
    host.call::<RwLock>(&one, "release", db()).unwrap();
    host.advance::<RwLock>(0).unwrap();
    assert!(
        calls
            .iter()
            .all(|call| host.answer(*call).is_some_and(|it| it.is_ok()))
    );
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<RwLock>(env!("CARGO_MANIFEST_DIR"));
}

/// Readers or one writer, in the order of asking, never free for who is next.
#[derive(Default)]
struct Order {
    /// Holds: who, whether for writing, which.
    held: Vec<(usize, bool, u64)>,
    line: Vec<(usize, bool)>,
}

impl Promise for Order {
    type Plugin = RwLock;

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        let own: Vec<_> = self.held.iter().filter(|it| it.0 == client).collect();
        if !own.is_empty() && dice.once_in(2) {
            let (_, write, hold) = *dice.pick(&own);
            let op = if *write && dice.once_in(2) {
                "downgrade"
            } else {
                "release"
            };
            return Some(Ask::new(op, json!({ "name": "db", "hold": hold })));
        }
        if self.line.iter().any(|it| it.0 == client) || own.len() > 1 {
            return None;
        }
        let mode = if dice.once_in(3) { "write" } else { "read" };
        let timeout = dice.once_in(3).then(|| dice.below(200));
        let wait = !dice.once_in(5);
        let input = json!({ "name": "db", "mode": mode, "wait": wait, "timeout_ms": timeout });
        Some(Ask::new("acquire", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        self.line.push((client, ask.input["mode"] == "write"));
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
            ("acquire", Ok(grant)) => {
                let write = grant["mode"] == "write";
                if in_line.is_some_and(|place| place != 0) {
                    return Err(format!("{client} came before its turn"));
                }
                if in_line.is_some() {
                    self.line.remove(0);
                }
                let hold = grant["hold"].as_u64().ok_or("no hold")?;
                self.held.push((client, write, hold));
            }
            ("acquire", Err(fault)) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
            }
            ("acquire", Err(fault)) if fault.code == 1 => {}
            ("release", Ok(_)) => self
                .held
                .retain(|it| Some(it.2) != ask.input["hold"].as_u64()),
            ("downgrade", Ok(_)) => {
                let meant = |it: &&mut (usize, bool, u64)| Some(it.2) == ask.input["hold"].as_u64();
                self.held.iter_mut().find(meant).ok_or("no such hold")?.1 = false;
            }
            (op, answer) => return Err(format!("{op} came to {answer:?}")),
        }
        let writers = self.held.iter().filter(|it| it.1).count();
        if writers > 1 || writers == 1 && self.held.len() > 1 {
            return Err(format!("held by {:?}", self.held));
        }
        Ok(())
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.held.retain(|it| it.0 != client);
        self.line.retain(|it| it.0 != client);
        Ok(())
    }

    fn settled(&mut self, _: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let Some((next, write)) = self.line.first() else {
            return Ok(());
        };
        let is_free = match write {
            true => self.held.is_empty(),
            false => self.held.iter().all(|it| !it.1),
        };
        if is_free {
            return Err(format!("{next} could be let in, with {:?}", self.held));
        }
        Ok(())
    }
}

#[test]
fn readers_share_and_writers_are_alone_whatever_happens() {
    chaos::check::<Order>();
}
