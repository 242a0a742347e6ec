//! The read-write lock recipe, a component: many readers or one writer, in the order of asking. Must never
//! know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>                        while somebody holds it or waits for it
//! <name>/r<hold>.<session>      ephemeral, of a reader; its czxid is the fencing token
//! <name>/w<hold>.<session>      ephemeral, of the writer
//! @line/<call>                  ephemeral, one for each parked acquire: for reading or writing
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, CreateMode, Empty, Event, Fault, Faults, Host, Line, Reply, SessionId, Shape, Watch,
    line, name, plugin,
};

/// The read-write lock.
#[derive(Debug)]
pub struct RwLock;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// It is held, or others wait for it, and the caller would not wait.
    #[fault(1, "{name:?} is held")]
    Held {
        /// The lock.
        name: String,
    },
    /// The caller's session has no such hold on it.
    #[fault(2, "this session does not hold {name:?} so")]
    NotAHolder {
        /// The lock.
        name: String,
    },
    /// The caller's session has several holds on it, and did not say which.
    #[fault(3, "this session holds {name:?} several times; name the \"hold\"")]
    WhichHold {
        /// The lock.
        name: String,
    },
}

/// For what a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Shape)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Together with others.
    Read,
    /// Alone.
    Write,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Acquire {
    name: String,
    mode: Mode,
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
struct Name {
    name: String,
}

/// What a holder is told.
#[derive(Serialize, Shape)]
struct Grant {
    name: String,
    mode: Mode,
    hold: u64,
    token: u64,
}

/// Who holds a lock.
#[derive(Serialize, Shape)]
struct Holders {
    holders: Vec<Held>,
    waiters: u64,
}

#[derive(Serialize, Shape)]
struct Held {
    mode: Mode,
    hold: u64,
    session: SessionId,
}

/// Holders read at once.
const HOLDERS_MAX: u32 = 10_000;
/// Grants in one transaction: three changes each.
const GRANTS_MAX: u32 = 300;

/// Named locks that many sessions hold for reading or one for writing, handed on in the order in which they were
/// asked for: a reader does not pass a writer that waits. A hold ends with its session. A writer's token is greater
/// than every earlier holder's. Every acquire is a hold of its own, also of one session: who holds a lock for
/// reading and asks for it for writing waits for itself; release first.
#[plugin(state_version = 1, faults = Refusal, watch("*/*", deleted))]
impl RwLock {
    /// Takes the lock for "read" or "write", waiting in line; fault -7 after "timeout_ms".
    #[command(parks)]
    fn acquire(host: &mut dyn Host, who: &Caller, asked: Acquire) -> Result<Reply<Grant>, Fault> {
        let Acquire {
            name,
            mode,
            wait,
            timeout_ms,
        } = asked;
        name::check("lock", &name)?;
        // What an event failed to hand on comes first.
        admit(host, &name)?;
        let is_next = line_of(&name).first(host)?.is_none();
        if is_next && is_free_for(host, &name, mode)? {
            host.ensure(&name)?;
            let grant = hold(host, &name, mode, who.call, who.session)?;
            return Ok(Reply::Now(grant));
        }
        if !wait {
            return Err(Refusal::Held { name }.into());
        }
        line_of(&name).join(host, who, mode, timeout_ms)
    }

    /// Gives up the hold of that number, or the only one of this session.
    #[command]
    fn release(host: &mut dyn Host, who: &Caller, asked: Which) -> Result<Empty, Fault> {
        let held = own(host, who.session, &asked, None)?;
        host.delete(&path(&asked.name, &held), None)?;
        admit(host, &asked.name)?;
        Ok(Empty {})
    }

    /// Turns a hold for writing into one for reading, with nobody in between.
    #[command]
    fn downgrade(host: &mut dyn Host, who: &Caller, asked: Which) -> Result<Grant, Fault> {
        let held = own(host, who.session, &asked, Some(Mode::Write))?;
        host.delete(&path(&asked.name, &held), None)?;
        let grant = hold(host, &asked.name, Mode::Read, held.hold, who.session)?;
        admit(host, &asked.name)?;
        Ok(grant)
    }

    /// Who holds it (the first ten thousand), and how many wait.
    #[query]
    fn holders(host: &mut dyn Host, Name { name }: Name) -> Result<Holders, Fault> {
        name::check("lock", &name)?;
        Ok(Holders {
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
            let lock = match event.kind {
                Watch::DELETED => event.path.split('/').next(),
                // A writer that waits no more holds up no readers.
                Watch::CANCELLED => Some(event.tag.as_str()),
                _ => line::goes_on(event),
            };
            if let Some(name) = lock.filter(|name| !name.starts_with('@')) {
                admit(host, name)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(RwLock);

/// Lets in whoever is next, as long as it may be; takes the lock's node away when nobody is left.
fn admit(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    let line = line_of(name);
    for _ in 0..GRANTS_MAX {
        let Some(next) = line.first(host)? else {
            if host
                .exists(name)?
                .is_some_and(|stat| stat.num_children == 0)
            {
                host.delete(name, None)?;
            }
            return Ok(());
        };
        if !is_free_for(host, name, next.asked)? {
            return Ok(());
        }
        host.ensure(name)?;
        let grant = hold(host, name, next.asked, next.call, next.session)?;
        line.answer(host, next.call, &grant)?;
    }
    line::go_on(host, name)
}

fn is_free_for(host: &mut dyn Host, name: &str, mode: Mode) -> Result<bool, Fault> {
    if host.exists(name)?.is_none() {
        return Ok(true);
    }
    let against = match mode {
        Mode::Read => "w",
        Mode::Write => "",
    };
    Ok(host.first_child(name, against)?.is_none())
}

fn hold(
    host: &mut dyn Host,
    name: &str,
    mode: Mode,
    hold: u64,
    session: SessionId,
) -> Result<Grant, Fault> {
    let held = Held {
        mode,
        hold,
        session,
    };
    host.create_owned(&path(name, &held), b"", CreateMode::Ephemeral, session)?;
    Ok(Grant {
        name: name.to_owned(),
        mode,
        hold,
        token: host.transaction(),
    })
}

fn holds(host: &mut dyn Host, name: &str) -> Result<Vec<Held>, Fault> {
    if host.exists(name)?.is_none() {
        return Ok(Vec::new());
    }
    let names = host.children(name, None, HOLDERS_MAX)?;
    Ok(names.iter().filter_map(|name| parse(name)).collect())
}

/// The caller's hold that it means.
fn own(
    host: &mut dyn Host,
    session: SessionId,
    asked: &Which,
    mode: Option<Mode>,
) -> Result<Held, Fault> {
    name::check("lock", &asked.name)?;
    let is_meant = |held: &Held| {
        held.session == session
            && asked.hold.is_none_or(|hold| hold == held.hold)
            && mode.is_none_or(|mode| mode == held.mode)
    };
    let mut own = holds(host, &asked.name)?.into_iter().filter(is_meant);
    let name = || asked.name.clone();
    match (own.next(), own.next()) {
        (Some(held), None) => Ok(held),
        (None, _) => Err(Refusal::NotAHolder { name: name() }.into()),
        _ => Err(Refusal::WhichHold { name: name() }.into()),
    }
}

fn path(name: &str, held: &Held) -> String {
    let mode = match held.mode {
        Mode::Read => 'r',
        Mode::Write => 'w',
    };
    format!("{name}/{mode}{:016x}.{:x}", held.hold, held.session)
}

fn parse(name: &str) -> Option<Held> {
    let mode = match name.get(..1)? {
        "r" => Mode::Read,
        "w" => Mode::Write,
        _ => return None,
    };
    let (hold, session) = name.get(1..)?.split_once('.')?;
    Some(Held {
        mode,
        hold: u64::from_str_radix(hold, 16).ok()?,
        session: u64::from_str_radix(session, 16).ok()?,
    })
}

fn line_of(name: &str) -> Line<Mode> {
    Line::new(name)
}

fn yes() -> bool {
    true
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
