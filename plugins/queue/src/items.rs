//! The recipe: where an item is, and who has it. Must never know how an operation's input is written.

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, CreateMode, Dir, Empty, Event, Fault, Host, Line, Reply, SessionId, Watch, code, line,
    name, refuse,
};

use crate::{Dead, NewItem, Refusal, State, Take, Taken};

/// Largest item, bytes: a queue is for work to be named, not carried.
const DATA_BYTES_MAX: usize = 64 << 10;
/// Items put at once: each takes a few of the thousand changes of a transaction.
const ITEMS_MAX: usize = 100;
/// Longest lease and delay, a day.
const TIME_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// The dead listed at once.
const DEAD_MAX: u32 = 100;
/// Holds what says who works on an item.
const HANDS: &str = "@hands";
/// How a timer is called that ends a lease.
const LEASE: &str = "@lease:";
/// How a timer is called that ends a delay.
const DELAY: &str = "@delay:";

/// An item as it is kept.
#[derive(Serialize, Deserialize)]
struct Item {
    data: String,
    priority: u16,
    attempts: u32,
}

/// For how long one who waits wants an item.
type Wish = u64;

pub(crate) fn put(
    host: &mut dyn Host,
    queue: &str,
    items: Vec<NewItem>,
) -> Result<Vec<String>, Fault> {
    found(host, queue)?;
    if items.is_empty() || items.len() > ITEMS_MAX {
        let why = format!("{} items; between 1 and {ITEMS_MAX}", items.len());
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    let mut ids = Vec::new();
    for (place, new) in items.into_iter().enumerate() {
        name::check_size("an item", &new.data, DATA_BYTES_MAX)?;
        check_time("delay_ms", new.delay_ms, 0)?;
        if new.priority > 999 {
            let why = format!("priority {}; between 0 and 999", new.priority);
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        let id = format!("{:016x}{place:02}", host.transaction());
        let item = Item {
            data: new.data,
            priority: new.priority,
            attempts: 0,
        };
        settle(host, queue, &id, &item, new.delay_ms)?;
        ids.push(id);
    }
    serve(host, queue)?;
    Ok(ids)
}

pub(crate) fn take(host: &mut dyn Host, who: &Caller, asked: Take) -> Result<Reply<Taken>, Fault> {
    let Take {
        queue,
        wait,
        timeout_ms,
        lease_ms,
    } = asked;
    found(host, &queue)?;
    check_time("lease_ms", lease_ms, 1)?;
    // Those who have waited longer come first.
    serve(host, &queue)?;
    if line_of(&queue).first(host)?.is_none()
        && let Some(taken) = hand_out(host, &queue, who.session, lease_ms)?
    {
        return Ok(Reply::Now(taken));
    }
    if !wait {
        return Err(Refusal::Empty { queue }.into());
    }
    line_of(&queue).join(host, who, lease_ms, timeout_ms)
}

pub(crate) fn ack(
    host: &mut dyn Host,
    session: SessionId,
    queue: &str,
    id: &str,
) -> Result<Empty, Fault> {
    put_down(host, session, queue, id)?;
    dir(queue, "taken").child(id).remove(host)?;
    Ok(Empty {})
}

pub(crate) fn nack(
    host: &mut dyn Host,
    session: SessionId,
    queue: &str,
    id: &str,
    delay_ms: u64,
) -> Result<Empty, Fault> {
    check_time("delay_ms", delay_ms, 0)?;
    put_down(host, session, queue, id)?;
    give_back(host, queue, id, delay_ms)?;
    Ok(Empty {})
}

pub(crate) fn extend(
    host: &mut dyn Host,
    session: SessionId,
    queue: &str,
    id: &str,
    lease_ms: u64,
) -> Result<Empty, Fault> {
    check_time("lease_ms", lease_ms, 1)?;
    in_hand(host, session, queue, id)?;
    host.set_timer(&timer(LEASE, queue, id), lease_ms)?;
    Ok(Empty {})
}

pub(crate) fn revive(host: &mut dyn Host, queue: &str, id: &str) -> Result<Empty, Fault> {
    let item = exhume(host, queue, id)?;
    let item = Item {
        attempts: 0,
        ..item
    };
    settle(host, queue, id, &item, 0)?;
    serve(host, queue)?;
    Ok(Empty {})
}

pub(crate) fn bury(host: &mut dyn Host, queue: &str, id: &str) -> Result<Empty, Fault> {
    exhume(host, queue, id)?;
    Ok(Empty {})
}

pub(crate) fn state(host: &mut dyn Host, queue: &str) -> Result<State, Fault> {
    name::check("queue", queue)?;
    Ok(State {
        ready: dir(queue, "ready").len(host)?,
        later: dir(queue, "later").len(host)?,
        taken: dir(queue, "taken").len(host)?,
        dead: dir(queue, "dead").len(host)?,
        takers: line_of(queue).len(host)?,
    })
}

pub(crate) fn dead(
    host: &mut dyn Host,
    queue: &str,
    after: Option<&str>,
) -> Result<Vec<Dead>, Fault> {
    name::check("queue", queue)?;
    let all = dir(queue, "dead");
    let mut dead = Vec::new();
    for id in all.names(host, after, DEAD_MAX)? {
        if let Some(item) = all.child(&id).get(host)? {
            dead.push(Dead {
                id,
                data: item.data,
                attempts: item.attempts,
            });
        }
    }
    Ok(dead)
}

/// First those who wait no more, lest an item be handed to one of them.
pub(crate) fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
    for event in events {
        line::forget(host, event)?;
    }
    for event in events {
        if event.kind == Watch::DELETED {
            // Its taker's session is over. The event may come late: somebody else may have it by now.
            let hand = event.path.rsplit('/').next().unwrap_or_default();
            if let Some((queue, id)) = hand.rsplit_once(':')
                && host.exists(&event.path)?.is_none()
            {
                host.clear_timer(&timer(LEASE, queue, id))?;
                give_back(host, queue, id, 0)?;
            }
        } else if event.kind == Watch::TIMER {
            ring(host, &event.tag)?;
        }
        if let Some(queue) = line::goes_on(event) {
            serve(host, queue)?;
        }
    }
    Ok(())
}

fn ring(host: &mut dyn Host, tag: &str) -> Result<(), Fault> {
    if let Some((queue, id)) = tag.strip_prefix(LEASE).and_then(|it| it.rsplit_once(':')) {
        host.remove(&hand(queue, id))?;
        give_back(host, queue, id, 0)?;
    } else if let Some((queue, id)) = tag.strip_prefix(DELAY).and_then(|it| it.rsplit_once(':')) {
        let later = dir(queue, "later").child(id);
        if let Some(item) = later.get(host)? {
            later.remove(host)?;
            settle(host, queue, id, &item, 0)?;
            serve(host, queue)?;
        }
    }
    Ok(())
}

/// An item that nobody works on any more goes back to its place, or among the dead.
fn give_back(host: &mut dyn Host, queue: &str, id: &str, delay_ms: u64) -> Result<(), Fault> {
    let taken = dir(queue, "taken").child(id);
    let Some(item) = taken.get(host)? else {
        return Ok(());
    };
    taken.remove(host)?;
    let attempts_max = host.config("max_attempts").and_then(|it| it.parse().ok());
    if attempts_max.is_some_and(|max: u32| item.attempts >= max.max(1)) {
        let dead = dir(queue, "dead");
        dead.ensure(host)?;
        return dead.child(id).create(host, &item);
    }
    settle(host, queue, id, &item, delay_ms)?;
    serve(host, queue)
}

/// Puts an item where it waits to be taken, or for its time to come.
fn settle(
    host: &mut dyn Host,
    queue: &str,
    id: &str,
    item: &Item,
    delay_ms: u64,
) -> Result<(), Fault> {
    if delay_ms == 0 {
        let ready = dir(queue, "ready");
        ready.ensure(host)?;
        return ready
            .child(&format!("{:03}-{id}", item.priority))
            .create(host, item);
    }
    let later = dir(queue, "later");
    later.ensure(host)?;
    later.child(id).create(host, item)?;
    host.set_timer(&timer(DELAY, queue, id), delay_ms)
}

/// Hands ready items to those who wait.
fn serve(host: &mut dyn Host, queue: &str) -> Result<(), Fault> {
    let line = line_of(queue);
    // Each hand-over is six changes.
    for _ in 0..ITEMS_MAX {
        let Some(next) = line.first(host)? else {
            return Ok(());
        };
        let Some(taken) = hand_out(host, queue, next.session, next.asked)? else {
            return Ok(());
        };
        line.answer(host, next.call, &taken)?;
    }
    line::go_on(host, queue)
}

/// Gives the next item to a session; nothing if none is ready.
fn hand_out(
    host: &mut dyn Host,
    queue: &str,
    session: SessionId,
    lease_ms: u64,
) -> Result<Option<Taken>, Fault> {
    let ready = dir(queue, "ready");
    let Some((name, mut item)) = ready.first(host)? else {
        return Ok(None);
    };
    ready.child(&name).remove(host)?;
    let id = name.split_once('-').map_or(name.as_str(), |(_, id)| id);
    item.attempts += 1;
    let taken = dir(queue, "taken");
    taken.ensure(host)?;
    taken.child(id).create(host, &item)?;
    host.ensure(HANDS)?;
    host.create_owned(&hand(queue, id), b"", CreateMode::Ephemeral, session)?;
    host.set_timer(&timer(LEASE, queue, id), lease_ms)?;
    Ok(Some(Taken {
        id: id.to_owned(),
        data: item.data,
        attempt: item.attempts,
    }))
}

/// The session lets go of an item that it has.
fn put_down(host: &mut dyn Host, session: SessionId, queue: &str, id: &str) -> Result<(), Fault> {
    in_hand(host, session, queue, id)?;
    host.clear_timer(&timer(LEASE, queue, id))?;
    host.delete(&hand(queue, id), None)
}

fn in_hand(host: &mut dyn Host, session: SessionId, queue: &str, id: &str) -> Result<(), Fault> {
    name::check("queue", queue)?;
    name::check("item", id)?;
    match host.exists(&hand(queue, id))? {
        Some(stat) if stat.ephemeral_owner == session => Ok(()),
        _ => Err(Refusal::NotTaken {
            queue: queue.into(),
            id: id.into(),
        }
        .into()),
    }
}

/// Takes an item from among the dead.
fn exhume(host: &mut dyn Host, queue: &str, id: &str) -> Result<Item, Fault> {
    name::check("queue", queue)?;
    name::check("item", id)?;
    let dead = dir(queue, "dead").child(id);
    let Some(item) = dead.get(host)? else {
        return Err(Refusal::NotDead {
            queue: queue.into(),
            id: id.into(),
        }
        .into());
    };
    dead.remove(host)?;
    Ok(item)
}

/// Makes the queue unless it is there.
fn found(host: &mut dyn Host, queue: &str) -> Result<(), Fault> {
    name::check("queue", queue)?;
    host.ensure(queue)
}

fn check_time(what: &str, ms: u64, least: u64) -> Result<(), Fault> {
    if ms < least || ms > TIME_MAX_MS {
        let why = format!("{what} is {ms}; between {least} and {TIME_MAX_MS}, a day");
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    Ok(())
}

fn dir(queue: &str, kind: &str) -> Dir<Item> {
    Dir::at(format!("{queue}/{kind}"))
}

fn hand(queue: &str, id: &str) -> String {
    format!("{HANDS}/{queue}:{id}")
}

fn timer(kind: &str, queue: &str, id: &str) -> String {
    format!("{kind}{queue}:{id}")
}

fn line_of(queue: &str) -> Line<Wish> {
    Line::new(queue)
}
