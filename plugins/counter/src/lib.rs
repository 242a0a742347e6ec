//! The counter recipe, a component. Must never know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>     the number, as text
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{Dir, Fault, Faults, Host, Node, Shape, code, name, plugin, refuse};

/// The counter.
#[derive(Debug)]
pub struct Counter;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// The number would leave its bounds.
    #[fault(1, "{name:?} is {value}; adding {by} leads out of {min} to {max}")]
    OutOfBounds {
        /// The counter.
        name: String,
        /// Its value.
        value: i64,
        /// What was to be added.
        by: i64,
        /// The least it may be.
        min: i64,
        /// The most it may be.
        max: i64,
    },
    /// The number is another one than expected.
    #[fault(2, "{name:?} is {value}, not {expected}")]
    AnotherValue {
        /// The counter.
        name: String,
        /// Its value.
        value: i64,
        /// What was expected.
        expected: i64,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    #[serde(default = "one")]
    by: i64,
    min: Option<i64>,
    max: Option<i64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct AddAll {
    by: BTreeMap<String, i64>,
    min: Option<i64>,
    max: Option<i64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Set {
    name: String,
    value: i64,
    expect: Option<i64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
}

#[derive(Serialize, Shape)]
struct Value {
    value: i64,
}

#[derive(Serialize, Shape)]
struct Values {
    values: BTreeMap<String, i64>,
}

/// Counters of one call.
const COUNTERS_MAX: usize = 500;

/// Counters by name, each a 64-bit number that is 0 until it is written. Every change is one transaction: nothing is lost
/// or counted twice however many count at once. Bounds are those of the call, and those of the mount's config ("min",
/// "max"); a call that would leave them changes nothing.
#[plugin(state_version = 1, faults = Refusal)]
impl Counter {
    /// Adds to a counter and tells what it is then; 1 if "by" is left out, less than 0 to take away.
    #[command]
    fn add(host: &mut dyn Host, asked: Add) -> Result<Value, Fault> {
        let Add { name, by, min, max } = asked;
        let bounds = bounds(host, min, max)?;
        let value = add_one(host, &name, by, bounds)?;
        Ok(Value { value })
    }

    /// Adds to several counters, up to 500, all or none.
    #[command]
    fn add_all(host: &mut dyn Host, AddAll { by, min, max }: AddAll) -> Result<Values, Fault> {
        if by.is_empty() || by.len() > COUNTERS_MAX {
            let why = format!("{} counters; between 1 and {COUNTERS_MAX}", by.len());
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        let bounds = bounds(host, min, max)?;
        let mut values = BTreeMap::new();
        for (name, by) in by {
            let value = add_one(host, &name, by, bounds)?;
            values.insert(name, value);
        }
        Ok(Values { values })
    }

    /// Sets a counter, if it is what is expected.
    #[command]
    fn set(host: &mut dyn Host, asked: Set) -> Result<Value, Fault> {
        let Set {
            name,
            value,
            expect,
        } = asked;
        let found = read(host, &name)?;
        if let Some(expected) = expect.filter(|expected| *expected != found) {
            let value = found;
            return Err(Refusal::AnotherValue {
                name,
                value,
                expected,
            }
            .into());
        }
        let (min, max) = bounds(host, None, None)?;
        if value < min || value > max {
            let by = value.saturating_sub(found);
            let value = found;
            return Err(Refusal::OutOfBounds {
                name,
                value,
                by,
                min,
                max,
            }
            .into());
        }
        Node::at(&name).put(host, &value)?;
        Ok(Value { value })
    }

    /// Forgets a counter, and tells what it was.
    #[command]
    fn remove(host: &mut dyn Host, Name { name }: Name) -> Result<Value, Fault> {
        let value = read(host, &name)?;
        host.remove(&name)?;
        Ok(Value { value })
    }

    /// What a counter is.
    #[query]
    fn get(host: &mut dyn Host, Name { name }: Name) -> Result<Value, Fault> {
        let value = read(host, &name)?;
        Ok(Value { value })
    }

    /// Counters by name, 500 at a time, behind "after".
    #[query]
    fn list(host: &mut dyn Host, Page { after }: Page) -> Result<Values, Fault> {
        let all = Dir::<i64>::at("");
        let mut values = BTreeMap::new();
        for name in all.names(host, after.as_deref(), COUNTERS_MAX as u32)? {
            let value = read(host, &name)?;
            values.insert(name, value);
        }
        Ok(Values { values })
    }
}

zareba_guest_sdk::export!(Counter);

fn add_one(host: &mut dyn Host, name: &str, by: i64, (min, max): (i64, i64)) -> Result<i64, Fault> {
    let value = read(host, name)?;
    let sum = value
        .checked_add(by)
        .filter(|sum| (min..=max).contains(sum));
    let Some(sum) = sum else {
        let name = name.to_owned();
        return Err(Refusal::OutOfBounds {
            name,
            value,
            by,
            min,
            max,
        }
        .into());
    };
    Node::at(name).put(host, &sum)?;
    Ok(sum)
}

fn read(host: &mut dyn Host, name: &str) -> Result<i64, Fault> {
    name::check("counter", name)?;
    Ok(Node::at(name).get(host)?.unwrap_or(0))
}

/// The narrower of the call's bounds and the mount's.
fn bounds(host: &mut dyn Host, min: Option<i64>, max: Option<i64>) -> Result<(i64, i64), Fault> {
    let own = |key: &str| match host.config(key) {
        None => Ok(None),
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| {
            let why = format!("the mount's config says {key}={text:?}, which is no number");
            refuse(code::BAD_ARGUMENTS, why)
        }),
    };
    let (own_min, own_max) = (own("min")?, own("max")?);
    let min = min.into_iter().chain(own_min).max().unwrap_or(i64::MIN);
    let max = max.into_iter().chain(own_max).min().unwrap_or(i64::MAX);
    Ok((min, max))
}

fn one() -> i64 {
    1
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
