//! The recipe: where an item is, and who has it. Must never know how an operation's input is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    CallId, Caller, Dir, Empty, Event, Fault, Host, Line, Node, Reply, SessionId, Watch, code,
    json, line, name, refuse,
};

use crate::{AllTaken, Dead, NewItem, Refusal, State, Take, TakeAll, Taken};

/// Largest item, bytes: a queue is for work to be named, not carried.
const DATA_BYTES_MAX: usize = 64 << 10;
/// Items put, handed out, acknowledged or given back in one transaction: each takes a few of the thousand changes that
/// one may have.
const ITEMS_MAX: usize = 100;
/// Longest lease and delay, a day.
const TIME_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// The dead listed at once.
const DEAD_MAX: u32 = 100;
/// Items that are looked at in one transaction for those that nobody works on.
const LOOKED_AT_MAX: u32 = 500;
/// Holds a node for each take that somebody works at; it says on which items.
const HANDS: &str = "@hands";
/// How a timer is called that ends a lease.
const LEASE: &str = "@lease:";
/// How a timer is called that looks for items that nobody works on.
const SWEEP: &str = "@sweep:";
/// How a timer is called that ends a delay.
const DELAY: &str = "@delay:";

/// An item as it is kept.
#[derive(Serialize, Deserialize)]
struct Item {
    data: String,
    priority: u16,
    attempts: u32,
    /// The take that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hand: Option<CallId>,
}

/// What one who waits wants.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Wish {
    /// For how long.
    lease_ms: u64,
    /// How many items at most; without it one, and the answer is the item itself.
    most: Option<u32>,
}

impl Wish {
    fn most(self) -> usize {
        self.most.map_or(1, |most| most as usize)
    }
}

pub(crate) fn put(
    host: &mut dyn Host,
    queue: &str,
    items: Vec<NewItem>,
) -> Result<Vec<String>, Fault> {
    found(host, queue)?;
    check_number("items", items.len(), 1)?;
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
            hand: None,
        };
        settle(host, queue, &id, &item, new.delay_ms)?;
        ids.push(id);
    }
    serve(host, queue)?;
    Ok(ids)
}

pub(crate) fn take(host: &mut dyn Host, who: &Caller, asked: Take) -> Result<Reply<Taken>, Fault> {
    let wish = Wish {
        lease_ms: asked.lease_ms,
        most: None,
    };
    found(host, &asked.queue)?;
    check_time("lease_ms", wish.lease_ms, 1)?;
    match next_for(host, &asked.queue, who, wish)?.pop() {
        Some(taken) => Ok(Reply::Now(taken)),
        None => wait(host, &asked.queue, who, wish, asked.wait, asked.timeout_ms),
    }
}

pub(crate) fn take_all(
    host: &mut dyn Host,
    who: &Caller,
    asked: TakeAll,
) -> Result<Reply<AllTaken>, Fault> {
    let wish = Wish {
        lease_ms: asked.lease_ms,
        most: Some(asked.most),
    };
    found(host, &asked.queue)?;
    check_time("lease_ms", wish.lease_ms, 1)?;
    check_number("most", wish.most(), 1)?;
    ack_all(host, who.session, &asked.queue, &asked.acks)?;
    let items = next_for(host, &asked.queue, who, wish)?;
    if items.is_empty() {
        return wait(host, &asked.queue, who, wish, asked.wait, asked.timeout_ms);
    }
    Ok(Reply::Now(AllTaken { items }))
}

/// What is ready for the caller now; nothing if others have waited longer.
fn next_for(
    host: &mut dyn Host,
    queue: &str,
    who: &Caller,
    wish: Wish,
) -> Result<Vec<Taken>, Fault> {
    let handed = serve(host, queue)?;
    if line_of(queue).first(host)?.is_some() {
        return Ok(Vec::new());
    }
    let most = wish.most().min(ITEMS_MAX - handed);
    hand_out(host, queue, (who.session, who.call), wish.lease_ms, most)
}

fn wait<R>(
    host: &mut dyn Host,
    queue: &str,
    who: &Caller,
    wish: Wish,
    wait: bool,
    timeout_ms: Option<u64>,
) -> Result<Reply<R>, Fault> {
    if !wait {
        let queue = queue.to_owned();
        return Err(Refusal::Empty { queue }.into());
    }
    line_of(queue).join(host, who, wish, timeout_ms)
}

pub(crate) fn ack_all(
    host: &mut dyn Host,
    session: SessionId,
    queue: &str,
    ids: &[String],
) -> Result<Empty, Fault> {
    check_number("acknowledgements", ids.len(), 0)?;
    put_down(host, session, queue, ids)?;
    for id in ids {
        dir(queue, "taken").child(id).remove(host)?;
    }
    Ok(Empty {})
}

pub(crate) fn nack(
    host: &mut dyn Host,
    session: SessionId,
    queue: &str,
    id: String,
    delay_ms: u64,
) -> Result<Empty, Fault> {
    check_time("delay_ms", delay_ms, 0)?;
    let ids = [id];
    put_down(host, session, queue, &ids)?;
    for id in &ids {
        give_back(host, queue, id, delay_ms)?;
    }
    Ok(Empty {})
}

pub(crate) fn extend(
    host: &mut dyn Host,
    who: &Caller,
    queue: &str,
    id: String,
    lease_ms: u64,
) -> Result<Empty, Fault> {
    check_time("lease_ms", lease_ms, 1)?;
    let ids = [id];
    // It may have been taken with others, whose time is not extended.
    put_down(host, who.session, queue, &ids)?;
    let taken = dir(queue, "taken");
    for id in &ids {
        if let Some(item) = taken.child(id).get(host)? {
            let hand = Some(who.call);
            taken.child(id).put(host, &Item { hand, ..item })?;
        }
    }
    take_up(host, queue, (who.session, who.call), &ids, lease_ms)?;
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
    let mut room = ITEMS_MAX;
    for event in events {
        if event.kind == Watch::DELETED {
            // A taker's session is over.
            let hand = event.path.rsplit('/').next().unwrap_or_default();
            if let Some((queue, hand)) = hand.rsplit_once(':') {
                host.clear_timer(&timer(LEASE, queue, hand))?;
                match json::read::<Vec<String>>(&event.data) {
                    Ok(ids) if ids.len() <= room => {
                        room -= ids.len();
                        give_back_all(host, queue, hand, &ids)?;
                    }
                    _ => sweep(host, queue, "")?,
                }
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
    if let Some((queue, hand)) = tag.strip_prefix(LEASE).and_then(|it| it.rsplit_once(':')) {
        let node = hand_at(queue, hand);
        if let Some(ids) = node.get(host)? {
            node.remove(host)?;
            give_back_all(host, queue, hand, &ids)?;
        }
    } else if let Some((queue, id)) = tag.strip_prefix(DELAY).and_then(|it| it.rsplit_once(':')) {
        let later = dir(queue, "later").child(id);
        if let Some(item) = later.get(host)? {
            later.remove(host)?;
            settle(host, queue, id, &item, 0)?;
            serve(host, queue)?;
        }
    } else if let Some((queue, after)) = tag.strip_prefix(SWEEP).and_then(|it| it.rsplit_once(':'))
    {
        look_for_orphans(host, queue, after)?;
    }
    Ok(())
}

/// Has the items behind `after` looked at, in a transaction right behind this one.
fn sweep(host: &mut dyn Host, queue: &str, after: &str) -> Result<(), Fault> {
    host.set_timer(&timer(SWEEP, queue, after), 0)
}

/// Gives back items whose hand is gone: those for which the transaction that ended it had no room.
fn look_for_orphans(host: &mut dyn Host, queue: &str, after: &str) -> Result<(), Fault> {
    let taken = dir(queue, "taken");
    let after = Some(after).filter(|it| !it.is_empty());
    let names = taken.names(host, after, LOOKED_AT_MAX)?;
    let is_all = names.len() < LOOKED_AT_MAX as usize;
    let mut room = ITEMS_MAX;
    for id in &names {
        let Some(hand) = taken.child(id).get(host)?.and_then(|item| item.hand) else {
            continue;
        };
        if hand_at(queue, &hand_name(hand)).is_there(host)? {
            continue;
        }
        give_back(host, queue, id, 0)?;
        room -= 1;
        if room == 0 {
            return sweep(host, queue, id);
        }
    }
    match names.last() {
        Some(last) if !is_all => sweep(host, queue, last),
        _ => Ok(()),
    }
}

/// What a take had that has ended, as far as it still had it.
fn give_back_all(
    host: &mut dyn Host,
    queue: &str,
    hand: &str,
    ids: &[String],
) -> Result<(), Fault> {
    for id in ids {
        let item = dir(queue, "taken").child(id).get(host)?;
        if item.and_then(|item| item.hand).map(hand_name).as_deref() == Some(hand) {
            give_back(host, queue, id, 0)?;
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
    let item = Item { hand: None, ..item };
    let attempts_max = host.config("max_attempts").and_then(|it| it.parse().ok());
    if attempts_max.is_some_and(|max: u32| item.attempts >= max.max(1)) {
        let dead = dir(queue, "dead");
        dead.ensure(host)?;
        return dead.child(id).create(host, &item);
    }
    settle(host, queue, id, &item, delay_ms)?;
    serve(host, queue)?;
    Ok(())
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

/// Hands ready items to those who wait; how many it was.
fn serve(host: &mut dyn Host, queue: &str) -> Result<usize, Fault> {
    let line = line_of(queue);
    let mut handed = 0;
    while handed < ITEMS_MAX {
        let Some(next) = line.first(host)? else {
            return Ok(handed);
        };
        let wish = next.asked;
        let most = wish.most().min(ITEMS_MAX - handed);
        let mut items = hand_out(host, queue, (next.session, next.call), wish.lease_ms, most)?;
        if items.is_empty() {
            return Ok(handed);
        }
        handed += items.len();
        match (wish.most, items.pop()) {
            (None, Some(item)) => line.answer(host, next.call, &item)?,
            (_, last) => {
                items.extend(last);
                line.answer(host, next.call, &AllTaken { items })?;
            }
        }
    }
    line::go_on(host, queue)?;
    Ok(handed)
}

/// Gives the next items to a call, as many as are ready and no more than `most`.
fn hand_out(
    host: &mut dyn Host,
    queue: &str,
    who: (SessionId, CallId),
    lease_ms: u64,
    most: usize,
) -> Result<Vec<Taken>, Fault> {
    let (ready, taken) = (dir(queue, "ready"), dir(queue, "taken"));
    let names = ready.names(host, None, u32::try_from(most).unwrap_or(u32::MAX))?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    taken.ensure(host)?;
    let (mut items, mut ids) = (Vec::new(), Vec::new());
    for name in names {
        let Some(mut item) = ready.child(&name).get(host)? else {
            continue;
        };
        ready.child(&name).remove(host)?;
        let id = name.split_once('-').map_or(name.as_str(), |(_, id)| id);
        item.attempts += 1;
        item.hand = Some(who.1);
        taken.child(id).create(host, &item)?;
        ids.push(id.to_owned());
        items.push(Taken {
            id: id.to_owned(),
            data: item.data,
            attempt: item.attempts,
        });
    }
    take_up(host, queue, who, &ids, lease_ms)?;
    Ok(items)
}

/// A call's session has these items from now on, for a time.
fn take_up(
    host: &mut dyn Host,
    queue: &str,
    (session, call): (SessionId, CallId),
    ids: &[String],
    lease_ms: u64,
) -> Result<(), Fault> {
    host.ensure(HANDS)?;
    let hand = hand_name(call);
    hand_at(queue, &hand).create_for(host, &ids.to_vec(), session)?;
    host.set_timer(&timer(LEASE, queue, &hand), lease_ms)
}

/// The session lets go of items that it has, all or none.
fn put_down(
    host: &mut dyn Host,
    session: SessionId,
    queue: &str,
    ids: &[String],
) -> Result<(), Fault> {
    name::check("queue", queue)?;
    let mut by_hand: BTreeMap<CallId, Vec<&String>> = BTreeMap::new();
    for id in ids {
        name::check("item", id)?;
        let item = dir(queue, "taken").child(id).get(host)?;
        let Some(hand) = item.and_then(|item| item.hand) else {
            return Err(not_taken(queue, id));
        };
        by_hand.entry(hand).or_default().push(id);
    }
    for (hand, gone) in by_hand {
        let hand = hand_name(hand);
        let node = hand_at(queue, &hand);
        let owner = host.exists(node.path())?.map(|stat| stat.ephemeral_owner);
        let mut ids = node.get(host)?.unwrap_or_default();
        for id in gone {
            let place = ids.iter().position(|it| it == id);
            match place.filter(|_| owner == Some(session)) {
                Some(place) => ids.remove(place),
                None => return Err(not_taken(queue, id)),
            };
        }
        if ids.is_empty() {
            node.remove(host)?;
            host.clear_timer(&timer(LEASE, queue, &hand))?;
        } else {
            node.put(host, &ids)?;
        }
    }
    Ok(())
}

fn not_taken(queue: &str, id: &str) -> Fault {
    Refusal::NotTaken {
        queue: queue.into(),
        id: id.into(),
    }
    .into()
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

fn check_number(what: &str, number: usize, least: usize) -> Result<(), Fault> {
    if number < least || number > ITEMS_MAX {
        let why = format!("{number} {what}; between {least} and {ITEMS_MAX}");
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    Ok(())
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

fn hand_name(call: CallId) -> String {
    format!("{call:016x}")
}

fn hand_at(queue: &str, hand: &str) -> Node<Vec<String>> {
    Node::at(format!("{HANDS}/{queue}:{hand}"))
}

fn timer(kind: &str, queue: &str, id: &str) -> String {
    format!("{kind}{queue}:{id}")
}

fn line_of(queue: &str) -> Line<Wish> {
    Line::new(queue)
}
