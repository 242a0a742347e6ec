//! A number that many clients raise, and can wait for.
//!
//! Layout below the mount:
//!
//! ```text
//! value                          the number, as text; no node while it is 0
//! goals/00000000000000000009     somebody waits until the number is 9
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    CallId, Dir, Event, Fault, Faults, Host, Node, Reply, Shape, Watch, code, json, plugin, refuse,
};

/// The plugin.
#[derive(Debug)]
pub struct Tally;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// The number would grow beyond the mount's limit.
    #[fault(1, "the number is {value}; {by} more would lead beyond {limit}")]
    TooMuch {
        /// What it is.
        value: u64,
        /// What was to be added.
        by: u64,
        /// The most it may be.
        limit: u64,
    },
    /// The number never gets there.
    #[fault(2, "the number never gets to {goal}: its limit is {limit}")]
    TooFar {
        /// What was to be waited for.
        goal: u64,
        /// The most it may be.
        limit: u64,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Add {
    by: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Wait {
    r#for: u64,
    timeout_ms: Option<u64>,
}

#[derive(Serialize, Shape)]
struct Value {
    value: u64,
}

/// A number that many clients raise, and can wait for. The mount's config may have a "limit".
#[plugin(state_version = 1, faults = Refusal)]
impl Tally {
    /// Adds to the number, and answers everybody who has waited for what it is now.
    #[command]
    fn add(host: &mut dyn Host, Add { by }: Add) -> Result<Value, Fault> {
        let limit = limit(host)?;
        let value = read(host)?;
        let Some(sum) = value.checked_add(by).filter(|sum| *sum <= limit) else {
            return Err(Refusal::TooMuch { value, by, limit }.into());
        };
        Node::at("value").put(host, &sum)?;
        release(host, sum)?;
        Ok(Value { value: sum })
    }

    /// Answers once the number is at least "for"; fault -7 after "timeout_ms".
    #[command(parks)]
    fn wait(host: &mut dyn Host, asked: Wait) -> Result<Reply<Value>, Fault> {
        let (value, limit, goal) = (read(host)?, limit(host)?, asked.r#for);
        if value >= goal {
            return Ok(Reply::Now(Value { value }));
        }
        if goal > limit {
            return Err(Refusal::TooFar { goal, limit }.into());
        }
        // Names are compared as bytes: with zeros in front they are in the numbers' order.
        let tag = format!("{goal:020}");
        goals().ensure(host)?;
        goals().child(&tag).put(host, &goal)?;
        Ok(Reply::later(tag, asked.timeout_ms))
    }

    /// What the number is.
    #[query]
    fn get(host: &mut dyn Host) -> Result<Value, Fault> {
        let value = read(host)?;
        Ok(Value { value })
    }

    /// A call that waited has ended, by its session's end or its timeout: nobody may be left who waits for
    /// the same number.
    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events.iter().filter(|event| event.kind == Watch::CANCELLED) {
            if host.lookup(&event.tag, 0, 1)?.is_empty() {
                goals().child(&event.tag).remove(host)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Tally);

/// The most that the number may be, if the mount's config does not say.
const LIMIT: u64 = 1_000_000;

/// Names or calls read at once.
const PAGE: u32 = 100;

fn goals() -> Dir<u64> {
    Dir::at("goals")
}

fn read(host: &mut dyn Host) -> Result<u64, Fault> {
    Ok(Node::at("value").get(host)?.unwrap_or(0))
}

fn limit(host: &dyn Host) -> Result<u64, Fault> {
    let Some(text) = host.config("limit") else {
        return Ok(LIMIT);
    };
    text.parse().map_err(|_| {
        refuse(
            code::BAD_ARGUMENTS,
            "the mount's config has a limit that is no number",
        )
    })
}

/// Answers who has waited for this number or a smaller one.
fn release(host: &mut dyn Host, value: u64) -> Result<(), Fault> {
    while let Some((tag, goal)) = goals().first(host)? {
        if goal > value {
            break;
        }
        let mut last: CallId = 0;
        loop {
            let page = host.lookup(&tag, last, PAGE)?;
            for call in &page {
                host.complete(call.id, &json::write(&Value { value })?)?;
                last = call.id;
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        goals().child(&tag).remove(host)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zareba_guest_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn what_is_added_stays_and_the_limit_is_kept() {
        let mut host = MemoryHost::default();
        let one = host.open_session();
        let added = host.call::<Tally>(&one, "add", json!({ "by": 3 })).unwrap();
        assert_eq!(added.answer(), json!({ "value": 3 }));
        let refused = host
            .call::<Tally>(&one, "add", json!({ "by": LIMIT }))
            .unwrap_err();
        assert_eq!(refused.code, 1);
        let value = host.ask::<Tally>(&one, "get", json!({})).unwrap();
        assert_eq!(value, json!({ "value": 3 }));
    }

    #[test]
    fn who_waits_is_answered_when_the_number_is_reached() {
        let mut host = MemoryHost::default();
        let [one, two] = std::array::from_fn(|_| host.open_session());
        let waits = host
            .call::<Tally>(&one, "wait", json!({ "for": 5 }))
            .unwrap()
            .parked();
        host.call::<Tally>(&two, "add", json!({ "by": 4 })).unwrap();
        assert_eq!(host.answer(waits), None);
        host.call::<Tally>(&two, "add", json!({ "by": 2 })).unwrap();
        assert_eq!(host.answer(waits), Some(Ok(json!({ "value": 6 }))));
    }

    #[test]
    fn who_has_gone_leaves_nothing_behind() {
        let mut host = MemoryHost::default();
        let one = host.open_session();
        host.call::<Tally>(&one, "wait", json!({ "for": 5 }))
            .unwrap()
            .parked();
        assert_eq!(host.paths(), ["goals", "goals/00000000000000000005"]);
        host.end_session::<Tally>(one.session).unwrap();
        assert_eq!(host.paths(), ["goals"]);
    }
}
