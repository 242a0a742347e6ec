//! The weighted semaphore recipe, a component: so many permits, taken in the order of asking. Must never
//! know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>                               its permits, as a number; while it is resized or somebody holds some
//! <name>/<hold>.<session>.<permits>    ephemeral, of a holder
//! @line/<call>                         ephemeral, one for each parked acquire: how many permits
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, CreateMode, Empty, Event, Fault, Faults, Host, Line, Node, Reply, SessionId, Shape,
    Watch, code, line, name, plugin, refuse,
};

/// The semaphore.
#[derive(Debug)]
pub struct Semaphore;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Not so many permits are free, or others wait for them, and the caller would not wait.
    #[fault(1, "{permits} permits of {name:?} are not free")]
    NotFree {
        /// The semaphore.
        name: String,
        /// As many as were asked for.
        permits: u64,
    },
    /// The caller's session has no such hold.
    #[fault(2, "this session holds no such permits of {name:?}")]
    NotAHolder {
        /// The semaphore.
        name: String,
    },
    /// The caller's session has several holds, and did not say which.
    #[fault(
        3,
        "this session holds permits of {name:?} several times; name the \"hold\""
    )]
    WhichHold {
        /// The semaphore.
        name: String,
    },
    /// More permits than there are, or none.
    #[fault(4, "{permits} permits of {name:?}: there are {all}")]
    TooMany {
        /// The semaphore.
        name: String,
        /// As many as were asked for.
        permits: u64,
        /// As many as there are.
        all: u64,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Acquire {
    name: String,
    #[serde(default = "one")]
    permits: u64,
    #[serde(default = "yes")]
    wait: bool,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Which {
    name: String,
    hold: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Resize {
    name: String,
    permits: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

/// What a holder is told.
#[derive(Serialize, Shape)]
struct Grant {
    name: String,
    permits: u64,
    hold: u64,
    token: u64,
}

#[derive(Serialize, Shape)]
struct State {
    permits: u64,
    free: u64,
    holders: Vec<Held>,
    waiters: u64,
}

#[derive(Serialize, Shape)]
struct Held {
    hold: u64,
    session: SessionId,
    permits: u64,
}

/// Holders of one semaphore.
const HOLDERS_MAX: u32 = 10_000;
/// Grants in one transaction: three changes each.
const GRANTS_MAX: u32 = 300;

/// Named semaphores. Never are more permits held than there are; who asks for many is not passed by those who ask
/// for few. A hold ends with its session. There are as many permits as the mount's config says under "permits",
/// or as "resize" has set; fewer than are held let nobody in until enough are given back.
#[plugin(state_version = 1, faults = Refusal, watch("*/*", deleted))]
impl Semaphore {
    /// Takes permits, waiting in line; fault -7 after "timeout_ms".
    #[command(parks)]
    fn acquire(host: &mut dyn Host, who: &Caller, asked: Acquire) -> Result<Reply<Grant>, Fault> {
        let Acquire { name, permits, .. } = asked;
        name::check("semaphore", &name)?;
        let all = size(host, &name)?;
        if permits == 0 || permits > all {
            return Err(Refusal::TooMany { name, permits, all }.into());
        }
        // What an event failed to hand on comes first.
        admit(host, &name)?;
        let is_next = line_of(&name).first(host)?.is_none();
        if is_next && held(host, &name)?.saturating_add(permits) <= all {
            return hold(host, &name, permits, who.call, who.session).map(Reply::Now);
        }
        if !asked.wait {
            return Err(Refusal::NotFree { name, permits }.into());
        }
        line_of(&name).join(host, who, permits, asked.timeout_ms)
    }

    /// Gives back the permits of the hold of that number, or of the only one of this session.
    #[command]
    fn release(host: &mut dyn Host, who: &Caller, asked: Which) -> Result<Empty, Fault> {
        let Which { name, hold } = asked;
        name::check("semaphore", &name)?;
        let is_meant =
            |it: &Held| it.session == who.session && hold.is_none_or(|hold| hold == it.hold);
        let mut own = holds(host, &name)?.into_iter().filter(is_meant);
        let held = match (own.next(), own.next()) {
            (Some(held), None) => held,
            (None, _) => return Err(Refusal::NotAHolder { name }.into()),
            _ => return Err(Refusal::WhichHold { name }.into()),
        };
        host.delete(&path(&name, &held), None)?;
        admit(host, &name)?;
        Ok(Empty {})
    }

    /// Sets how many permits there are. Who waits for more than that is refused.
    #[command]
    fn resize(host: &mut dyn Host, asked: Resize) -> Result<Empty, Fault> {
        let Resize { name, permits } = asked;
        name::check("semaphore", &name)?;
        own_size(&name).put(host, &Some(permits))?;
        admit(host, &name)?;
        Ok(Empty {})
    }

    /// How many permits there are, who holds them (the first ten thousand), how many wait.
    #[query]
    fn state(host: &mut dyn Host, Name { name }: Name) -> Result<State, Fault> {
        name::check("semaphore", &name)?;
        let permits = size(host, &name)?;
        Ok(State {
            permits,
            free: permits.saturating_sub(held(host, &name)?),
            holders: holds(host, &name)?,
            waiters: line_of(&name).len(host)?,
        })
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        for event in events {
            let semaphore = match event.kind {
                Watch::DELETED => event.path.split('/').next(),
                Watch::CANCELLED => Some(event.tag.as_str()),
                _ => line::goes_on(event),
            };
            if let Some(name) = semaphore.filter(|name| !name.starts_with('@')) {
                admit(host, name)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Semaphore);

/// Lets in whoever is next, as long as enough is free.
fn admit(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    let line = line_of(name);
    let mut used = held(host, name)?;
    for _ in 0..GRANTS_MAX {
        let Some(next) = line.first(host)? else {
            return tidy(host, name);
        };
        let (permits, all) = (next.asked, size(host, name)?);
        if permits > all {
            let name = name.to_owned();
            line.refuse(host, next.call, Refusal::TooMany { name, permits, all })?;
            continue;
        }
        if used.saturating_add(permits) > all {
            return Ok(());
        }
        let grant = hold(host, name, permits, next.call, next.session)?;
        line.answer(host, next.call, &grant)?;
        used += permits;
    }
    line::go_on(host, name)
}

/// A semaphore of the usual size that nobody holds needs no node.
fn tidy(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    let is_empty = host
        .exists(name)?
        .is_some_and(|stat| stat.num_children == 0);
    if is_empty && own_size(name).get(host)?.flatten().is_none() {
        host.delete(name, None)?;
    }
    Ok(())
}

fn size(host: &mut dyn Host, name: &str) -> Result<u64, Fault> {
    if let Some(permits) = own_size(name).get(host)?.flatten() {
        return Ok(permits);
    }
    let said = host.config("permits");
    said.and_then(|permits| permits.parse().ok())
        .ok_or_else(|| {
            let why =
                format!("{name:?} has no size: set it by \"resize\", or mount with permits=N");
            refuse(code::BAD_ARGUMENTS, why)
        })
}

/// The node's data: a number, or nothing for the usual size.
fn own_size(name: &str) -> Node<Option<u64>> {
    Node::at(name)
}

fn held(host: &mut dyn Host, name: &str) -> Result<u64, Fault> {
    let permits = holds(host, name)?.into_iter().map(|held| held.permits);
    Ok(permits.fold(0, u64::saturating_add))
}

fn holds(host: &mut dyn Host, name: &str) -> Result<Vec<Held>, Fault> {
    if host.exists(name)?.is_none() {
        return Ok(Vec::new());
    }
    let names = host.children(name, None, HOLDERS_MAX)?;
    Ok(names.iter().filter_map(|name| parse(name)).collect())
}

fn hold(
    host: &mut dyn Host,
    name: &str,
    permits: u64,
    hold: u64,
    session: SessionId,
) -> Result<Grant, Fault> {
    if host.exists(name)?.is_none() {
        own_size(name).put(host, &None)?;
    }
    if host.count_children(name)? >= u64::from(HOLDERS_MAX) {
        let why = format!("{name:?} has {HOLDERS_MAX} holders, as many as may be");
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    let held = Held {
        hold,
        session,
        permits,
    };
    host.create_owned(&path(name, &held), b"", CreateMode::Ephemeral, session)?;
    Ok(Grant {
        name: name.to_owned(),
        permits,
        hold,
        token: host.transaction(),
    })
}

fn path(name: &str, held: &Held) -> String {
    format!(
        "{name}/{:016x}.{:x}.{}",
        held.hold, held.session, held.permits
    )
}

fn parse(name: &str) -> Option<Held> {
    let mut parts = name.split('.');
    Some(Held {
        hold: u64::from_str_radix(parts.next()?, 16).ok()?,
        session: u64::from_str_radix(parts.next()?, 16).ok()?,
        permits: parts.next()?.parse().ok()?,
    })
}

fn line_of(name: &str) -> Line<u64> {
    Line::new(name)
}

fn one() -> u64 {
    1
}

fn yes() -> bool {
    true
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
