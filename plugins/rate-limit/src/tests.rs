//! The recipe over the host in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{Ask, Dice, MemoryHost, Promise, chaos, readme};
use zareba_guest_sdk::{Fault, Host, Parked, code};

use super::RateLimit;

fn of(per_second: u64, burst: u64) -> MemoryHost {
    let mut host = MemoryHost::default();
    host.now = 1_000_000;
    host.config
        .insert("per_second".into(), per_second.to_string());
    host.config.insert("burst".into(), burst.to_string());
    host
}

fn ask(permits: u64, wait: bool) -> Value {
    json!({ "name": "api", "permits": permits, "wait": wait })
}

#[test]
fn a_burst_is_taken_at_once_and_more_as_time_brings_it() {
    let mut host = of(10, 5);
    let one = host.open_session();
    for left in (0..5).rev() {
        let taken = host
            .call::<RateLimit>(&one, "take", ask(1, false))
            .unwrap()
            .answer();
        assert_eq!(taken, json!({ "left": left }));
    }
    let fault = host
        .call::<RateLimit>(&one, "take", ask(2, false))
        .unwrap_err();
    assert_eq!(fault.code, 1);
    assert!(fault.message.contains("in 200 ms"), "{}", fault.message);
    host.advance::<RateLimit>(199).unwrap();
    assert_eq!(
        host.call::<RateLimit>(&one, "take", ask(2, false))
            .unwrap_err()
            .code,
        1
    );
    host.advance::<RateLimit>(1).unwrap();
    host.call::<RateLimit>(&one, "take", ask(2, false)).unwrap();
    assert_eq!(
        host.call::<RateLimit>(&one, "take", ask(6, true))
            .unwrap_err()
            .code,
        2
    );
}

#[test]
fn those_who_wait_are_served_in_order_when_the_bucket_has_filled() {
    let mut host = of(10, 5);
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<RateLimit>(&one, "take", ask(5, false)).unwrap();
    let large = host
        .call::<RateLimit>(&one, "take", ask(3, true))
        .unwrap()
        .parked();
    let small = host
        .call::<RateLimit>(&two, "take", ask(1, true))
        .unwrap()
        .parked();
    // A small wish does not pass a large one, nor does one that would not wait.
    host.advance::<RateLimit>(200).unwrap();
    assert_eq!((host.answer(large), host.answer(small)), (None, None));
    assert_eq!(
        host.call::<RateLimit>(&two, "take", ask(1, false))
            .unwrap_err()
            .code,
        1
    );
    host.advance::<RateLimit>(100).unwrap();
    assert!(host.answer(large).unwrap().is_ok());
    assert_eq!(host.answer(small), None);
    host.advance::<RateLimit>(100).unwrap();
    assert!(host.answer(small).unwrap().is_ok());
    let state = host
        .ask::<RateLimit>(&one, "state", json!({ "name": "api" }))
        .unwrap();
    assert_eq!(
        state,
        json!({ "per_second": 10, "burst": 5, "left": 0, "waiters": 0 })
    );
}

#[test]
fn a_limit_of_its_own_and_none_at_all() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let fault = host
        .call::<RateLimit>(&one, "take", ask(1, false))
        .unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
    let set = json!({ "name": "api", "per_second": 1, "burst": 2 });
    host.call::<RateLimit>(&one, "set", set).unwrap();
    host.call::<RateLimit>(&one, "take", ask(2, false)).unwrap();
    let waits = host
        .call::<RateLimit>(&one, "take", ask(2, true))
        .unwrap()
        .parked();
    let set = json!({ "name": "api", "per_second": 1, "burst": 1 });
    host.call::<RateLimit>(&one, "set", set).unwrap();
    assert_eq!(host.answer(waits).unwrap().unwrap_err().code, 2);
    let never = json!({ "name": "api", "per_second": 0, "burst": 1 });
    assert_eq!(
        host.call::<RateLimit>(&one, "set", never).unwrap_err().code,
        code::BAD_ARGUMENTS
    );
}

const PER_SECOND: u64 = 20;
const BURST: u64 = 6;

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<RateLimit>(env!("CARGO_MANIFEST_DIR"));
}

/// Never more than the burst and what the time has brought.
#[derive(Default)]
struct NeverTooFast {
    now: u64,
    /// When how many were taken.
    taken: Vec<(u64, u64)>,
    line: Vec<(usize, u64)>,
}

impl Promise for NeverTooFast {
    type Plugin = RateLimit;

    fn config(&mut self, _: &mut Dice) -> BTreeMap<String, String> {
        let text = |number: u64| number.to_string();
        [
            ("per_second".into(), text(PER_SECOND)),
            ("burst".into(), text(BURST)),
        ]
        .into()
    }

    fn next(&mut self, client: usize, dice: &mut Dice) -> Option<Ask> {
        if self.line.iter().any(|it| it.0 == client) {
            return None;
        }
        let mut input = ask(1 + dice.below(BURST), dice.once_in(2));
        input["timeout_ms"] = json!(dice.once_in(2).then(|| dice.below(500)));
        Some(Ask::new("take", input))
    }

    fn parked(&mut self, client: usize, ask: &Ask) -> Result<(), String> {
        self.line
            .push((client, ask.input["permits"].as_u64().ok_or("no number")?));
        Ok(())
    }

    fn answered(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Result<Value, Fault>,
    ) -> Result<(), String> {
        let in_line = self.line.iter().position(|it| it.0 == client);
        match answer {
            Ok(_) => {
                if in_line.is_some_and(|place| place != 0) {
                    return Err(format!("{client} came before its turn"));
                }
                if in_line.is_some() {
                    self.line.remove(0);
                }
                let permits = ask.input["permits"].as_u64().ok_or("no number")?;
                self.taken.push((self.now, permits));
                // From every moment on.
                let mut sum = 0;
                for (at, permits) in self.taken.iter().rev() {
                    sum += permits;
                    let brought = (self.now - at) * PER_SECOND / 1000;
                    if sum > BURST + brought {
                        return Err(format!("{sum} in {} ms", self.now - at));
                    }
                }
                Ok(())
            }
            Err(fault) if fault.code == code::OPERATION_TIMEOUT => {
                self.line.remove(in_line.ok_or("a timeout out of line")?);
                Ok(())
            }
            Err(fault) if fault.code == 1 => Ok(()),
            Err(fault) => Err(format!("{fault:?}")),
        }
    }

    fn ended(&mut self, client: usize) -> Result<(), String> {
        self.line.retain(|it| it.0 != client);
        Ok(())
    }

    fn passed(&mut self, ms: u64) -> Result<(), String> {
        self.now += ms;
        Ok(())
    }

    fn settled(&mut self, host: &mut dyn Host, _: &[Parked]) -> Result<(), String> {
        let Some((next, permits)) = self.line.first() else {
            return Ok(());
        };
        let bucket: Value = host.get_json("api").map_err(|fault| fault.message)?;
        let at = bucket["at"].as_u64().ok_or("no time")?;
        let filled =
            (host.now() - at) * PER_SECOND + bucket["thousandths"].as_u64().ok_or("no number")?;
        match filled >= permits * 1000 {
            true => Err(format!(
                "{next} waits for {permits}, and {filled} thousandths are there"
            )),
            false => Ok(()),
        }
    }
}

#[test]
fn never_more_is_taken_than_the_burst_and_what_time_brings_whatever_happens() {
    chaos::check::<NeverTooFast>();
}
