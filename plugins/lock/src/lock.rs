//! The recipe: who holds a lock, who is next. Must never know how an operation's input is written.

use zareba_guest_sdk::{
    CallId, Caller, CreateMode, Dir, Empty, Event, Fault, Host, Node, Observers, Reply, Seat,
    SessionId, Watch, line, name, refuse,
};

use crate::{Acquire, Grant, Holder, Refusal, Released, Revoke, Revoked};

/// Most that a holder may say, bytes: it is copied at every hand-over.
const DATA_BYTES_MAX: usize = 4096;
/// Locks listed at once.
const HOLDERS_MAX: u32 = 1000;
/// Holds how often each lock was taken that was taken more than once.
const AGAIN: &str = "@again";
/// Holds what holders were asked.
const REVOKED: &str = "@revoked";

/// Takes the lock or gets in line.
pub(crate) fn acquire(
    host: &mut dyn Host,
    who: &Caller,
    asked: Acquire,
) -> Result<Reply<Grant>, Fault> {
    let Acquire { name, data, .. } = asked;
    if let Some(grant) = take(host, who, &name, &data)? {
        return Ok(Reply::Now(grant));
    }
    if !asked.wait {
        return Err(Refusal::Held { name }.into());
    }
    Seat::at(name).wait(host, who, data, asked.timeout_ms)
}

/// Takes the lock if nobody has it.
pub(crate) fn try_acquire(
    host: &mut dyn Host,
    who: &Caller,
    name: &str,
    data: &str,
) -> Result<Grant, Fault> {
    let name_of = || name.to_owned();
    take(host, who, name, data)?.ok_or_else(|| Refusal::Held { name: name_of() }.into())
}

/// The caller's grant, a new one or once more; nothing if somebody else is to have the lock.
fn take(host: &mut dyn Host, who: &Caller, name: &str, data: &str) -> Result<Option<Grant>, Fault> {
    name::check("lock", name)?;
    name::check_size("data", data, DATA_BYTES_MAX)?;
    let seat = Seat::at(name);
    let token = match seat.holder(host)? {
        Some(holder) if holder.session == who.session => {
            let holds = Dir::<u64>::at(AGAIN);
            holds.ensure(host)?;
            let holds = holds.child(name);
            let count = holds.get(host)?.unwrap_or(1) + 1;
            holds.remove(host)?;
            holds.create_for(host, &count, who.session)?;
            return Ok(Some(grant(name, holder.token, count)));
        }
        Some(_) => None,
        None => {
            clear(host, name)?;
            seat.take(host, data, |token| grant(name, token, 1))?
        }
    };
    Ok(token.map(|token| grant(name, token, 1)))
}

/// Gives the lock up.
pub(crate) fn release(host: &mut dyn Host, who: &Caller, name: &str) -> Result<Released, Fault> {
    held(host, who.session, name)?;
    let again = Node::<u64>::at(format!("{AGAIN}/{name}"));
    let holds = again.get(host)?.unwrap_or(1) - 1;
    if holds > 1 {
        again.put(host, &holds)?;
    } else if holds == 1 {
        again.remove(host)?;
    } else {
        clear(host, name)?;
        Seat::at(name).leave(host, |token| grant(name, token, 1))?;
    }
    Ok(Released { holds })
}

/// Asks the holder to give the lock up.
pub(crate) fn revoke(host: &mut dyn Host, asked: Revoke) -> Result<Empty, Fault> {
    let Revoke { name, message } = asked;
    name::check("lock", &name)?;
    name::check_size("message", &message, DATA_BYTES_MAX)?;
    let holder = Seat::at(&name).holder(host)?;
    let holder = holder.ok_or_else(|| {
        refuse(
            zareba_guest_sdk::code::NO_NODE,
            format!("nobody holds {name:?}"),
        )
    })?;
    let requests = Dir::<String>::at(REVOKED);
    requests.ensure(host)?;
    let request = requests.child(&name);
    request.remove(host)?;
    request.create_for(host, &message, holder.session)?;
    let tag = revoked_tag(&name);
    Observers::new(tag).tell(host, &Revoked { name, message })?;
    Ok(Empty {})
}

/// Waits until the holder is asked to give the lock up.
pub(crate) fn revoked(
    host: &mut dyn Host,
    who: &Caller,
    name: String,
    timeout_ms: Option<u64>,
) -> Result<Reply<Revoked>, Fault> {
    held(host, who.session, &name)?;
    let request = Node::<String>::at(format!("{REVOKED}/{name}"));
    match request.get(host)? {
        Some(message) => Ok(Reply::Now(Revoked { name, message })),
        None => Ok(Observers::new(revoked_tag(&name)).wait(timeout_ms)),
    }
}

/// First those who wait no more, lest the lock be handed to one of them.
pub(crate) fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
    for event in events {
        line::forget(host, event)?;
    }
    for event in events.iter().filter(|it| it.kind == Watch::DELETED) {
        let name = &event.path;
        // The event may come late: somebody may have the lock by now.
        if !name.starts_with('@') && host.exists(name)?.is_none() {
            clear(host, name)?;
            Seat::at(name).fill(host, |token| grant(name, token, 1))?;
        }
    }
    Ok(())
}

/// Layout 1 kept those in line as `@waiting/<session>:<name>`, each with its call.
pub(crate) fn migrate(host: &mut dyn Host, stored: u32) -> Result<(), Fault> {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Waiter {
        call: CallId,
        data: String,
    }
    const WAITING: &str = "@waiting";
    if stored != 1 {
        return Ok(());
    }
    let waiting = Dir::<Waiter>::at(WAITING);
    host.ensure(line::LINE)?;
    for (name, waiter) in waiting.all(host)? {
        let old = waiting.child(&name);
        let owner = host.exists(old.path())?.map(|stat| stat.ephemeral_owner);
        if let Some(owner) = owner {
            let data = serde_json::json!({ "asked": { "data": waiter.data } });
            let path = format!("{}/{:016x}", line::LINE, waiter.call);
            host.create_owned(
                &path,
                data.to_string().as_bytes(),
                CreateMode::Ephemeral,
                owner,
            )?;
        }
        old.remove(host)?;
    }
    waiting.remove_if_empty(host)
}

/// Who holds one lock, or all of them.
pub(crate) fn holders(host: &mut dyn Host, name: Option<&str>) -> Result<Vec<Holder>, Fault> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => host.children("", None, HOLDERS_MAX)?,
    };
    let mut holders = Vec::new();
    for name in names.into_iter().filter(|name| !name.starts_with('@')) {
        name::check("lock", &name)?;
        let seat = Seat::at(&name);
        if let Some(holder) = seat.holder(host)? {
            holders.push(Holder {
                session: holder.session,
                token: holder.token,
                data: holder.data,
                waiters: seat.waiting(host)?,
                name,
            });
        }
    }
    Ok(holders)
}

/// Forgets what concerns the last holder alone, and tells it.
fn clear(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    host.remove(&format!("{AGAIN}/{name}"))?;
    host.remove(&format!("{REVOKED}/{name}"))?;
    let why = Refusal::NotTheHolder { name: name.into() }.into();
    Observers::new(revoked_tag(name)).refuse(host, &why)
}

fn held(host: &mut dyn Host, session: SessionId, name: &str) -> Result<(), Fault> {
    name::check("lock", name)?;
    match host.exists(name)? {
        Some(stat) if stat.ephemeral_owner == session => Ok(()),
        _ => Err(Refusal::NotTheHolder { name: name.into() }.into()),
    }
}

/// No lock's name begins like this.
fn revoked_tag(name: &str) -> String {
    format!("@revoked:{name}")
}

fn grant(name: &str, token: u64, holds: u64) -> Grant {
    Grant {
        name: name.to_owned(),
        token,
        holds,
    }
}
