//! The rate limit recipe, a component: buckets of permits that fill with time. Must never know how a transaction
//! is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>           a bucket: its rate and size if they are its own, what was in it, and when
//! @line/<call>     ephemeral, one for each parked take: how many permits
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, Empty, Event, Fault, Faults, Host, Line, Node, Reply, Shape, Watch, code, line, name,
    plugin, refuse,
};

/// Rate limits.
#[derive(Debug)]
pub struct RateLimit;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Not so many permits are there, or others wait for them, and the caller would not wait.
    #[fault(
        1,
        "{permits} permits of {name:?} are not there; try again in {retry_after_ms} ms"
    )]
    NotYet {
        /// The bucket.
        name: String,
        /// As many as were asked for.
        permits: u64,
        /// When they would be, if nobody else took any.
        retry_after_ms: u64,
    },
    /// More permits than the bucket ever holds, or none.
    #[fault(2, "{permits} permits of {name:?}: it holds {burst} at most")]
    TooMany {
        /// The bucket.
        name: String,
        /// As many as were asked for.
        permits: u64,
        /// Its size.
        burst: u64,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Take {
    name: String,
    #[serde(default = "one")]
    permits: u64,
    #[serde(default)]
    wait: bool,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Set {
    name: String,
    per_second: u64,
    burst: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Serialize, Shape)]
struct Taken {
    left: u64,
}

#[derive(Serialize, Shape)]
struct State {
    per_second: u64,
    burst: u64,
    left: u64,
    waiters: u64,
}

/// A bucket's rate and size.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Limit {
    per_second: u64,
    burst: u64,
}

/// A bucket as it is kept: so many thousandths of a permit were in it at that time.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Bucket {
    limit: Option<Limit>,
    thousandths: u64,
    at: u64,
}

/// Fastest rate and largest bucket: thousandths of them must be numbers.
const LIMIT_MAX: u64 = 1 << 40;
/// Served in one transaction: two changes each.
const SERVED_MAX: usize = 400;

/// Rate limits by name, each a bucket of "burst" permits that fills with "per_second" of them: in any time at most
/// "burst" and what the time brings are taken, by all clients together. The rate is that of "set", or of the mount's config.
/// Those who wait are served in the order in which they came.
#[plugin(state_version = 1, faults = Refusal)]
impl RateLimit {
    /// Takes permits if they are there; with "wait", waits in line until they are, and fails with -7 after "timeout_ms".
    #[command(parks)]
    fn take(host: &mut dyn Host, who: &Caller, asked: Take) -> Result<Reply<Taken>, Fault> {
        let Take {
            name,
            permits,
            wait,
            timeout_ms,
        } = asked;
        name::check("rate limit", &name)?;
        let (_, limit) = bucket(host, &name)?;
        let burst = limit.burst;
        if permits == 0 || permits > burst {
            return Err(Refusal::TooMany {
                name,
                permits,
                burst,
            }
            .into());
        }
        serve(host, &name)?;
        let is_next = line_of(&name).first(host)?.is_none();
        let (mut bucket, limit) = self::bucket(host, &name)?;
        if is_next && bucket.thousandths >= permits * 1000 {
            bucket.thousandths -= permits * 1000;
            Node::at(&name).put(host, &bucket)?;
            let left = bucket.thousandths / 1000;
            return Ok(Reply::Now(Taken { left }));
        }
        if !wait {
            let retry_after_ms = until(&bucket, &limit, permits);
            return Err(Refusal::NotYet {
                name,
                permits,
                retry_after_ms,
            }
            .into());
        }
        let reply = line_of(&name).join(host, who, permits, timeout_ms)?;
        if is_next {
            host.set_timer(&name, until(&bucket, &limit, permits))?;
        }
        Ok(reply)
    }

    /// Sets a bucket's rate and size. What is in it stays, as far as it fits.
    #[command]
    fn set(host: &mut dyn Host, asked: Set) -> Result<Empty, Fault> {
        let Set {
            name,
            per_second,
            burst,
        } = asked;
        name::check("rate limit", &name)?;
        let limit = checked(Limit { per_second, burst })?;
        let was = match Node::<Bucket>::at(&name).get(host)? {
            Some(_) => self::bucket(host, &name)?.0.thousandths,
            None => u64::MAX,
        };
        let bucket = Bucket {
            limit: Some(limit),
            thousandths: was.min(burst * 1000),
            at: host.now(),
        };
        Node::at(&name).put(host, &bucket)?;
        serve(host, &name)?;
        Ok(Empty {})
    }

    /// Forgets a bucket: it is full, and of the rate of the mount's config.
    #[command]
    fn reset(host: &mut dyn Host, Name { name }: Name) -> Result<Empty, Fault> {
        name::check("rate limit", &name)?;
        host.remove(&name)?;
        serve(host, &name)?;
        Ok(Empty {})
    }

    /// A bucket's rate and size, what is in it, and how many wait.
    #[query]
    fn state(host: &mut dyn Host, Name { name }: Name) -> Result<State, Fault> {
        name::check("rate limit", &name)?;
        let (bucket, limit) = bucket(host, &name)?;
        Ok(State {
            per_second: limit.per_second,
            burst: limit.burst,
            left: bucket.thousandths / 1000,
            waiters: line_of(&name).len(host)?,
        })
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        for event in events {
            let name = match event.kind {
                // Who waited behind may want less.
                Watch::CANCELLED => Some(event.tag.as_str()),
                Watch::TIMER => line::goes_on(event).or(Some(&event.tag)),
                _ => None,
            };
            if let Some(name) = name {
                serve(host, name)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(RateLimit);

/// Serves those in line as far as the bucket goes; an alarm rings when it goes further.
fn serve(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    let line = line_of(name);
    let Some(_) = line.first(host)? else {
        return Ok(());
    };
    let (mut bucket, limit) = bucket(host, name)?;
    let mut served = 0;
    while let Some(next) = line.first(host)? {
        let permits = next.asked;
        if permits > limit.burst {
            let (name, burst) = (name.to_owned(), limit.burst);
            line.refuse(
                host,
                next.call,
                Refusal::TooMany {
                    name,
                    permits,
                    burst,
                },
            )?;
        } else if bucket.thousandths >= permits * 1000 {
            bucket.thousandths -= permits * 1000;
            let left = bucket.thousandths / 1000;
            line.answer(host, next.call, &Taken { left })?;
        } else {
            host.set_timer(name, until(&bucket, &limit, permits))?;
            break;
        }
        served += 1;
        if served == SERVED_MAX {
            line::go_on(host, name)?;
            break;
        }
    }
    Node::at(name).put(host, &bucket)
}

/// The bucket as it is now, and its limit.
fn bucket(host: &mut dyn Host, name: &str) -> Result<(Bucket, Limit), Fault> {
    let now = host.now();
    let kept = Node::<Bucket>::at(name).get(host)?;
    let limit = match kept.and_then(|kept| kept.limit) {
        Some(limit) => limit,
        None => usual(host, name)?,
    };
    let full = limit.burst * 1000;
    let kept = kept.unwrap_or(Bucket {
        limit: None,
        thousandths: full,
        at: now,
    });
    // A permit a second is a thousandth a millisecond.
    let filled = now.saturating_sub(kept.at).saturating_mul(limit.per_second);
    let bucket = Bucket {
        thousandths: kept.thousandths.saturating_add(filled).min(full),
        at: now,
        ..kept
    };
    Ok((bucket, limit))
}

/// In how many milliseconds so many permits are there.
fn until(bucket: &Bucket, limit: &Limit, permits: u64) -> u64 {
    let missing = (permits * 1000).saturating_sub(bucket.thousandths);
    missing.div_ceil(limit.per_second)
}

fn usual(host: &mut dyn Host, name: &str) -> Result<Limit, Fault> {
    let number = |key: &str| host.config(key).and_then(|it| it.parse().ok());
    match (number("per_second"), number("burst")) {
        (Some(per_second), Some(burst)) => checked(Limit { per_second, burst }),
        _ => {
            let why = format!(
                "{name:?} has no rate: set it by \"set\", or mount with per_second=N and burst=N"
            );
            Err(refuse(code::BAD_ARGUMENTS, why))
        }
    }
}

fn checked(limit: Limit) -> Result<Limit, Fault> {
    let is_right = |number: u64| (1..=LIMIT_MAX).contains(&number);
    if is_right(limit.per_second) && is_right(limit.burst) {
        return Ok(limit);
    }
    let why = format!("\"per_second\" and \"burst\" are between 1 and {LIMIT_MAX}");
    Err(refuse(code::BAD_ARGUMENTS, why))
}

fn line_of(name: &str) -> Line<u64> {
    Line::new(name)
}

fn one() -> u64 {
    1
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
