//! The recipe: who holds a lock, who is next. Must never know how an operation's input is written.

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    CallId, Caller, CreateMode, Fault, Host, Outcome, SessionId, Wait, code, json, refuse,
};

/// Fault: somebody else holds the lock, and the caller would not wait.
pub(crate) const HELD: i32 = 1;
/// Fault: the caller does not hold the lock.
pub(crate) const NOT_THE_HOLDER: i32 = 2;
/// Fault: the caller's session is in line already.
pub(crate) const ALREADY_WAITING: i32 = 3;

/// Longest name of a lock, bytes: a file name's length, ample for a name.
const NAME_BYTES_MAX: usize = 255;
/// Most that a holder may say, bytes: it is copied at every hand-over.
const DATA_BYTES_MAX: usize = 4096;
/// Locks listed at once.
const HOLDERS_MAX: u32 = 1000;
/// Waiters read at once while counting.
const PAGE: u32 = 1000;
/// Holds the waiters' nodes; no lock may be named so.
const WAITING: &str = "@waiting";

/// What the holder is told.
#[derive(Serialize)]
pub(crate) struct Grant {
    name: String,
    token: u64,
}

/// One held lock.
#[derive(Serialize)]
pub(crate) struct Holder {
    name: String,
    session: SessionId,
    token: u64,
    data: String,
    waiters: u64,
}

/// A waiter's node.
#[derive(Serialize, Deserialize)]
struct Waiter {
    call: CallId,
    data: String,
}

/// Takes the lock or gets in line.
pub(crate) fn acquire(
    host: &mut dyn Host,
    who: &Caller,
    name: String,
    data: String,
    timeout: Option<u64>,
) -> Result<Outcome, Fault> {
    if let Some(grant) = take(host, who, &name, &data)? {
        return json::done(&grant);
    }
    let path = waiter_path(who.session, &name);
    if let Some(waiter) = host.get_json_opt::<Waiter>(&path)? {
        if is_parked(host, &name, waiter.call)? {
            let why = format!("this session waits for {name:?} already");
            return Err(refuse(ALREADY_WAITING, why));
        }
        host.remove(&path)?;
    }
    host.ensure(WAITING)?;
    let waiter = Waiter {
        call: who.call,
        data,
    };
    host.create(&path, &json::write(&waiter)?, CreateMode::Ephemeral)?;
    Ok(Outcome::Park(Wait { tag: name, timeout }))
}

/// Takes the lock if nobody has it.
pub(crate) fn try_acquire(
    host: &mut dyn Host,
    who: &Caller,
    name: &str,
    data: String,
) -> Result<Grant, Fault> {
    take(host, who, name, &data)?.ok_or_else(|| refuse(HELD, format!("{name:?} is held")))
}

/// Gives the lock up.
pub(crate) fn release(host: &mut dyn Host, who: &Caller, name: &str) -> Result<(), Fault> {
    check_name(name)?;
    match host.exists(name)? {
        Some(stat) if stat.ephemeral_owner == who.session => {}
        _ => {
            let why = format!("this session does not hold {name:?}");
            return Err(refuse(NOT_THE_HOLDER, why));
        }
    }
    host.delete(name, None)?;
    grant_next(host, name)?;
    Ok(())
}

/// Gives a lock to the next in line, if it is free and there is one.
pub(crate) fn hand_on(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    // An event may come late: somebody may have the lock by now.
    if host.exists(name)?.is_none() {
        grant_next(host, name)?;
    }
    Ok(())
}

/// Gives a free lock to the next in line; true if there was one.
fn grant_next(host: &mut dyn Host, name: &str) -> Result<bool, Fault> {
    let mut after = 0;
    while let Some(next) = host.lookup(name, after, 1)?.pop() {
        after = next.id;
        let path = waiter_path(next.session, name);
        let waiter: Option<Waiter> = host.get_json_opt(&path)?;
        if host.session_alive(next.session) {
            let data = waiter.map(|waiter| waiter.data).unwrap_or_default();
            host.remove(&path)?;
            host.create_owned(name, data.as_bytes(), CreateMode::Ephemeral, next.session)?;
            let grant = Grant {
                name: name.to_owned(),
                token: host.transaction(),
            };
            host.complete(next.id, &json::write(&grant)?)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes away the node of a call that waits no more.
pub(crate) fn stop_waiting(
    host: &mut dyn Host,
    session: SessionId,
    name: &str,
    call: CallId,
) -> Result<(), Fault> {
    let path = waiter_path(session, name);
    // The session may be in line again, with another call.
    match host.get_json_opt::<Waiter>(&path)? {
        Some(waiter) if waiter.call == call => host.remove(&path).map(|_| ()),
        _ => Ok(()),
    }
}

/// Who holds one lock, or all of them.
pub(crate) fn holders(host: &mut dyn Host, name: Option<&str>) -> Result<Vec<Holder>, Fault> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => host.children("", None, HOLDERS_MAX)?,
    };
    let mut holders = Vec::new();
    for name in names.into_iter().filter(|name| name != WAITING) {
        check_name(&name)?;
        if host.exists(&name)?.is_none() {
            continue;
        }
        let (data, stat) = host.get(&name)?;
        holders.push(Holder {
            session: stat.ephemeral_owner,
            token: stat.czxid,
            data: String::from_utf8_lossy(&data).into_owned(),
            waiters: count_waiters(host, &name)?,
            name,
        });
    }
    Ok(holders)
}

/// The caller's grant, new or old; nothing if somebody else holds the lock.
fn take(host: &mut dyn Host, who: &Caller, name: &str, data: &str) -> Result<Option<Grant>, Fault> {
    check_name(name)?;
    if data.len() > DATA_BYTES_MAX {
        let why = format!("{} bytes of data; at most {DATA_BYTES_MAX}", data.len());
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    let grant = |token| {
        Ok(Some(Grant {
            name: name.to_owned(),
            token,
        }))
    };
    let mut found = host.exists(name)?;
    // A lock that is free although somebody waits was left so by an event that failed: the line
    // comes first.
    if found.is_none() && grant_next(host, name)? {
        found = host.exists(name)?;
    }
    match found {
        Some(stat) if stat.ephemeral_owner == who.session => grant(stat.czxid),
        Some(_) => Ok(None),
        None => {
            host.create(name, data.as_bytes(), CreateMode::Ephemeral)?;
            grant(host.transaction())
        }
    }
}

fn is_parked(host: &mut dyn Host, name: &str, call: CallId) -> Result<bool, Fault> {
    let found = host.lookup(name, call.saturating_sub(1), 1)?;
    Ok(found.first().is_some_and(|parked| parked.id == call))
}

fn count_waiters(host: &mut dyn Host, name: &str) -> Result<u64, Fault> {
    let (mut count, mut after) = (0, 0);
    loop {
        let page = host.lookup(name, after, PAGE)?;
        count += page.len() as u64;
        match page.last() {
            Some(last) if page.len() == PAGE as usize => after = last.id,
            _ => return Ok(count),
        }
    }
}

fn waiter_path(session: SessionId, name: &str) -> String {
    format!("{WAITING}/{session:x}:{name}")
}

fn check_name(name: &str) -> Result<(), Fault> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "is longer than 255 bytes"
    } else if name.contains('/') || name.contains(char::is_control) {
        "has a slash or a control character"
    } else if name.starts_with('@') || name == "." || name == ".." {
        "is reserved"
    } else {
        return Ok(());
    };
    let message = format!(
        "the lock's name {why}: {:?}",
        name.get(..64).unwrap_or(name)
    );
    Err(refuse(code::BAD_ARGUMENTS, message))
}
