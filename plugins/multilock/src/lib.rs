//! The recipe of several locks at once, a component: all or none, without deadlock. Must never know how a
//! transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>           ephemeral, of the holder; its czxid is the fencing token
//! @line/<call>     ephemeral, one for each parked acquire: the names
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, CreateMode, Empty, Event, Fault, Faults, Host, Line, Reply, SessionId, Shape, Watch,
    code, line, name, plugin, refuse,
};

/// Several locks at once.
#[derive(Debug)]
pub struct MultiLock;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// One of them is held or waited for, and the caller would not wait.
    #[fault(1, "{name:?} is not free")]
    NotFree {
        /// The first such lock.
        name: String,
    },
    /// The caller's session does not hold one of them.
    #[fault(2, "this session does not hold {name:?}")]
    NotTheHolder {
        /// The first such lock.
        name: String,
    },
    /// The caller's session holds one of them already, and would wait for itself.
    #[fault(
        3,
        "this session holds {name:?} already; release it first, or ask for all at once"
    )]
    HeldAlready {
        /// The first such lock.
        name: String,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Acquire {
    names: BTreeSet<String>,
    #[serde(default = "yes")]
    wait: bool,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Names {
    names: BTreeSet<String>,
}

/// What a holder is told.
#[derive(Serialize, Shape)]
struct Grant {
    names: Vec<String>,
    token: u64,
}

/// One held lock.
#[derive(Serialize, Shape)]
struct Holder {
    name: String,
    session: SessionId,
    token: u64,
}

/// Locks in one call.
const NAMES_MAX: usize = 64;
/// Calls in line that are looked at when a lock becomes free; those behind wait until some of these are served.
const LOOK_AT_MAX: usize = 500;
/// Locks handed on in one transaction.
const GRANTED_MAX: usize = 300;
/// Locks listed at once.
const HOLDERS_MAX: u32 = 1000;
/// The one line of a mount.
const LINE: &str = "@all";

/// Named locks that are taken several at once: all or none. Nobody holds a part and waits for the rest, so there is
/// no deadlock. Who waits is passed only by those who want none of the locks that it waits for. The locks end with
/// their session; the token grows with every holder.
#[plugin(state_version = 1, faults = Refusal, watch("*", deleted))]
impl MultiLock {
    /// Takes all of the locks, up to 64, waiting until it can; fault -7 after "timeout_ms".
    #[command(parks)]
    fn acquire(host: &mut dyn Host, who: &Caller, asked: Acquire) -> Result<Reply<Grant>, Fault> {
        let names = checked(asked.names)?;
        for name in &names {
            let holder = host.exists(name)?.map(|stat| stat.ephemeral_owner);
            if holder == Some(who.session) {
                return Err(Refusal::HeldAlready { name: name.clone() }.into());
            }
        }
        // What an event failed to hand on comes first.
        let wanted = serve(host)?;
        let taken = first_taken(host, &names, &wanted)?;
        match taken {
            None => Ok(Reply::Now(take(host, &names, who.session)?)),
            Some(name) if !asked.wait => Err(Refusal::NotFree { name }.into()),
            Some(_) => Line::new(LINE).join(host, who, names, asked.timeout_ms),
        }
    }

    /// Gives up these locks, all or none of them.
    #[command]
    fn release(host: &mut dyn Host, who: &Caller, Names { names }: Names) -> Result<Empty, Fault> {
        for name in checked(names)? {
            let holder = host.exists(&name)?.map(|stat| stat.ephemeral_owner);
            if holder != Some(who.session) {
                return Err(Refusal::NotTheHolder { name }.into());
            }
            host.delete(&name, None)?;
        }
        serve(host)?;
        Ok(Empty {})
    }

    /// Every lock that is held (the first thousand by name).
    #[query]
    fn holders(host: &mut dyn Host) -> Result<Vec<Holder>, Fault> {
        let mut holders = Vec::new();
        for name in host.children("", None, HOLDERS_MAX)? {
            if let Some(stat) = host.exists(&name)?.filter(|_| !name.starts_with('@')) {
                holders.push(Holder {
                    name,
                    session: stat.ephemeral_owner,
                    token: stat.czxid,
                });
            }
        }
        Ok(holders)
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        let matters = |event: &Event| match event.kind {
            Watch::DELETED => !event.path.starts_with('@'),
            Watch::CANCELLED => true,
            _ => line::goes_on(event).is_some(),
        };
        if events.iter().any(matters) {
            serve(host)?;
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(MultiLock);

/// Serves whom it can, in order, and returns the names that others wait for.
fn serve(host: &mut dyn Host) -> Result<BTreeSet<String>, Fault> {
    let line = Line::<BTreeSet<String>>::new(LINE);
    let mut wanted = BTreeSet::new();
    let mut granted = 0;
    for waiting in line.all(host, LOOK_AT_MAX)? {
        if granted >= GRANTED_MAX {
            line::go_on(host, LINE)?;
            wanted.extend(waiting.asked);
        } else if first_taken(host, &waiting.asked, &wanted)?.is_none() {
            let grant = take(host, &waiting.asked, waiting.session)?;
            line.answer(host, waiting.call, &grant)?;
            granted += waiting.asked.len();
        } else {
            wanted.extend(waiting.asked);
        }
    }
    Ok(wanted)
}

/// The first of these that is held, or that somebody waits for who came before.
fn first_taken(
    host: &mut dyn Host,
    names: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
) -> Result<Option<String>, Fault> {
    for name in names {
        if wanted.contains(name) || host.exists(name)?.is_some() {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

fn take(host: &mut dyn Host, names: &BTreeSet<String>, session: SessionId) -> Result<Grant, Fault> {
    for name in names {
        host.create_owned(name, b"", CreateMode::Ephemeral, session)?;
    }
    Ok(Grant {
        names: names.iter().cloned().collect(),
        token: host.transaction(),
    })
}

fn checked(names: BTreeSet<String>) -> Result<BTreeSet<String>, Fault> {
    if names.is_empty() || names.len() > NAMES_MAX {
        let why = format!("{} names; between 1 and {NAMES_MAX}", names.len());
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    for name in &names {
        name::check("lock", name)?;
    }
    Ok(names)
}

fn yes() -> bool {
    true
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
