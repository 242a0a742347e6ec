//! The lease recipe, a component: something that is held for a time, whatever becomes of sessions. Must never
//! know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>           while it is held: its token, until when, and what the holder said
//! @line/<call>     ephemeral, one for each parked acquire: for how long, and what it will say
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, Empty, Event, Fault, Faults, Host, Line, Node, Reply, Shape, Watch, code, line, name,
    plugin, refuse,
};

/// Leases.
#[derive(Debug)]
pub struct Lease;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Somebody else holds it, and the caller would not wait.
    #[fault(1, "{name:?} is held")]
    Held {
        /// The lease.
        name: String,
    },
    /// The token is not that of a lease that lasts: it is over, or was never one.
    #[fault(2, "{token} does not hold {name:?} (any more)")]
    Over {
        /// The lease.
        name: String,
        /// The token.
        token: u64,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Acquire {
    name: String,
    ttl_ms: u64,
    #[serde(default = "yes")]
    wait: bool,
    timeout_ms: Option<u64>,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Renew {
    name: String,
    token: u64,
    ttl_ms: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Which {
    name: String,
    token: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

/// What a holder is told. "until" is the ensemble's time, milliseconds since 1970.
#[derive(Serialize, Shape)]
struct Grant {
    name: String,
    token: u64,
    until: u64,
}

#[derive(Serialize, Deserialize, Shape)]
struct Holder {
    token: u64,
    until: u64,
    data: String,
}

/// What one in line asked for.
#[derive(Serialize, Deserialize)]
struct Wish {
    ttl_ms: u64,
    data: String,
}

/// Longest lease, a day.
const TTL_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// Most that a holder may say, bytes.
const DATA_BYTES_MAX: usize = 4096;

/// Leases by name. One is held by whoever has its token, for as long as was said and renewed, across sessions, restarts and
/// machines; when it is over, the next in line has it in the same transaction. Tokens grow: let what the lease protects
/// refuse smaller ones. Measure your own time from before you asked, and stop before it is over.
#[plugin(state_version = 1, faults = Refusal, watch("*", deleted))]
impl Lease {
    /// Takes the lease for "ttl_ms", waiting in line; fault -7 after "timeout_ms".
    #[command(parks)]
    fn acquire(host: &mut dyn Host, who: &Caller, asked: Acquire) -> Result<Reply<Grant>, Fault> {
        let Acquire {
            name,
            ttl_ms,
            wait,
            timeout_ms,
            data,
        } = asked;
        check(&name, ttl_ms)?;
        name::check_size("data", &data, DATA_BYTES_MAX)?;
        // What an event failed to hand on comes first.
        fill(host, &name)?;
        let wish = Wish { ttl_ms, data };
        if holder(host, &name)?.is_none() {
            return grant(host, &name, wish).map(Reply::Now);
        }
        if !wait {
            return Err(Refusal::Held { name }.into());
        }
        line_of(&name).join(host, who, wish, timeout_ms)
    }

    /// Holds the lease for "ttl_ms" from now. The caller need not be the session that took it: who has the token holds it.
    #[command]
    fn renew(host: &mut dyn Host, asked: Renew) -> Result<Grant, Fault> {
        let Renew {
            name,
            token,
            ttl_ms,
        } = asked;
        check(&name, ttl_ms)?;
        let mut holder = held(host, &name, token)?;
        holder.until = host.now().saturating_add(ttl_ms);
        Node::at(&name).put(host, &holder)?;
        host.set_timer(&name, ttl_ms)?;
        let until = holder.until;
        Ok(Grant { name, token, until })
    }

    /// Gives the lease up.
    #[command]
    fn release(host: &mut dyn Host, Which { name, token }: Which) -> Result<Empty, Fault> {
        name::check("lease", &name)?;
        held(host, &name, token)?;
        end(host, &name)?;
        Ok(Empty {})
    }

    /// Who holds the lease, or null.
    #[query]
    fn get(host: &mut dyn Host, Name { name }: Name) -> Result<Option<Holder>, Fault> {
        name::check("lease", &name)?;
        holder(host, &name)
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        for event in events {
            match event.kind {
                // The alarm may ring late: it may have been renewed, or be another's by now.
                Watch::TIMER if holder(host, &event.tag)?.is_none() => end(host, &event.tag)?,
                Watch::DELETED if !event.path.starts_with('@') => fill(host, &event.path)?,
                _ => {}
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Lease);

/// Who holds it still.
fn holder(host: &mut dyn Host, name: &str) -> Result<Option<Holder>, Fault> {
    let holder = Node::<Holder>::at(name).get(host)?;
    let now = host.now();
    Ok(holder.filter(|holder| holder.until > now))
}

fn held(host: &mut dyn Host, name: &str, token: u64) -> Result<Holder, Fault> {
    let holder = holder(host, name)?.filter(|holder| holder.token == token);
    let name = name.to_owned();
    holder.ok_or_else(|| Refusal::Over { name, token }.into())
}

/// The lease is over; the next in line has it.
fn end(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    host.remove(name)?;
    host.clear_timer(name)?;
    fill(host, name)
}

fn fill(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    if holder(host, name)?.is_some() {
        return Ok(());
    }
    let line = line_of(name);
    if let Some(next) = line.first(host)? {
        let grant = grant(host, name, next.asked)?;
        line.answer(host, next.call, &grant)?;
    }
    Ok(())
}

fn grant(host: &mut dyn Host, name: &str, wish: Wish) -> Result<Grant, Fault> {
    let token = host.transaction();
    let until = host.now().saturating_add(wish.ttl_ms);
    let data = wish.data;
    let holder = Holder { token, until, data };
    Node::at(name).put(host, &holder)?;
    host.set_timer(name, wish.ttl_ms)?;
    let name = name.to_owned();
    Ok(Grant { name, token, until })
}

fn check(name: &str, ttl_ms: u64) -> Result<(), Fault> {
    name::check("lease", name)?;
    if ttl_ms == 0 || ttl_ms > TTL_MAX_MS {
        let why = format!("ttl_ms is {ttl_ms}; between 1 and {TTL_MAX_MS}, a day");
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    Ok(())
}

fn line_of(name: &str) -> Line<Wish> {
    Line::new(name)
}

fn yes() -> bool {
    true
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
