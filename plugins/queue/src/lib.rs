//! The queue recipe, a component: items by priority and age, each taken by one and given back if its taker is lost.
//! `items.rs` is the recipe; this file only names its operations and reads their inputs. Must never know how a
//! transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <queue>/ready/<priority>-<id>   an item that may be taken; the lowest name is next
//! <queue>/later/<id>              an item whose time has not come
//! <queue>/taken/<id>              an item that somebody works on
//! <queue>/dead/<id>               an item that was given back too often
//! @hands/<queue>:<call>           ephemeral, of the session whose take it was: the items that it still has
//! @line/<call>                    ephemeral, one for each parked take: how many, for how long
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{Caller, Empty, Event, Fault, Faults, Host, Reply, Shape, plugin};

mod items;

/// The queue.
#[derive(Debug)]
pub struct Queue;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Nothing may be taken, and the caller would not wait.
    #[fault(1, "nothing is ready in {queue:?}")]
    Empty {
        /// The queue.
        queue: String,
    },
    /// The caller's session does not work on that item, or not any more.
    #[fault(2, "this session does not work on {id:?} of {queue:?} (any more)")]
    NotTaken {
        /// The queue.
        queue: String,
        /// The item.
        id: String,
    },
    /// There is no such dead item.
    #[fault(3, "{id:?} is not among the dead of {queue:?}")]
    NotDead {
        /// The queue.
        queue: String,
        /// The item.
        id: String,
    },
}

/// One item to be put.
#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct NewItem {
    data: String,
    #[serde(default = "middle")]
    priority: u16,
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Put {
    queue: String,
    items: Vec<NewItem>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct PutOne {
    queue: String,
    data: String,
    #[serde(default = "middle")]
    priority: u16,
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Take {
    queue: String,
    #[serde(default = "yes")]
    wait: bool,
    timeout_ms: Option<u64>,
    #[serde(default = "half_a_minute")]
    lease_ms: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct TakeAll {
    queue: String,
    most: u32,
    #[serde(default)]
    acks: Vec<String>,
    #[serde(default = "yes")]
    wait: bool,
    timeout_ms: Option<u64>,
    #[serde(default = "half_a_minute")]
    lease_ms: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Several {
    queue: String,
    ids: Vec<String>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Which {
    queue: String,
    id: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Nack {
    queue: String,
    id: String,
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Extend {
    queue: String,
    id: String,
    #[serde(default = "half_a_minute")]
    lease_ms: u64,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    queue: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Page {
    queue: String,
    after: Option<String>,
}

#[derive(Serialize, Shape)]
struct Ids {
    ids: Vec<String>,
}

#[derive(Serialize, Shape)]
struct Id {
    id: String,
}

/// What a taker gets.
#[derive(Serialize, Shape)]
struct Taken {
    id: String,
    data: String,
    attempt: u32,
}

/// What a taker of several gets.
#[derive(Serialize, Shape)]
struct AllTaken {
    items: Vec<Taken>,
}

#[derive(Serialize, Shape)]
struct State {
    ready: u64,
    later: u64,
    taken: u64,
    dead: u64,
    takers: u64,
}

#[derive(Serialize, Shape)]
struct Dead {
    id: String,
    data: String,
    attempts: u32,
}

/// Queues by name. An item is taken by one session at a time, the lowest priority number first and the oldest of these
/// first. It is gone when its taker says "ack"; it is ready again, in its old place, when the taker says "nack", when
/// its lease is over, or in the very transaction in which the taker's session ends: at least once, and never by two at
/// the same time. After as many attempts as the mount's config says under "max_attempts" it is put among the dead.
#[plugin(state_version = 1, faults = Refusal, watch("@hands/*", deleted))]
impl Queue {
    /// Puts an item: "priority" from 0, the first, to 999, "delay_ms" until it may be taken. A taker that waits has it in
    /// the same transaction.
    #[command]
    fn put(host: &mut dyn Host, asked: PutOne) -> Result<Id, Fault> {
        let PutOne {
            queue,
            data,
            priority,
            delay_ms,
        } = asked;
        let item = NewItem {
            data,
            priority,
            delay_ms,
        };
        let mut ids = items::put(host, &queue, vec![item])?;
        Ok(Id {
            id: ids.pop().unwrap_or_default(),
        })
    }

    /// Puts several items, up to 100, all or none.
    #[command]
    fn put_all(host: &mut dyn Host, Put { queue, items }: Put) -> Result<Ids, Fault> {
        let ids = items::put(host, &queue, items)?;
        Ok(Ids { ids })
    }

    /// Takes the next item, waiting for one; fault -7 after "timeout_ms". It is this session's for "lease_ms".
    #[command(parks)]
    fn take(host: &mut dyn Host, who: &Caller, asked: Take) -> Result<Reply<Taken>, Fault> {
        items::take(host, who, asked)
    }

    /// Takes up to "most" items, at most 100, waiting while there is none; fault -7 after "timeout_ms". Says "ack" for
    /// those under "acks" first, also if it then waits: a worker makes one call for each batch.
    #[command(parks)]
    fn take_all(
        host: &mut dyn Host,
        who: &Caller,
        asked: TakeAll,
    ) -> Result<Reply<AllTaken>, Fault> {
        items::take_all(host, who, asked)
    }

    /// The item is done: it is gone.
    #[command]
    fn ack(host: &mut dyn Host, who: &Caller, Which { queue, id }: Which) -> Result<Empty, Fault> {
        items::ack_all(host, who.session, &queue, &[id])
    }

    /// Several items are done, up to 100, all or none.
    #[command]
    fn ack_all(
        host: &mut dyn Host,
        who: &Caller,
        Several { queue, ids }: Several,
    ) -> Result<Empty, Fault> {
        items::ack_all(host, who.session, &queue, &ids)
    }

    /// The item is not done: it is ready again, after "delay_ms".
    #[command]
    fn nack(host: &mut dyn Host, who: &Caller, asked: Nack) -> Result<Empty, Fault> {
        items::nack(host, who.session, &asked.queue, asked.id, asked.delay_ms)
    }

    /// The item takes longer: it is this session's for "lease_ms" from now.
    #[command]
    fn extend(host: &mut dyn Host, who: &Caller, asked: Extend) -> Result<Empty, Fault> {
        items::extend(host, who, &asked.queue, asked.id, asked.lease_ms)
    }

    /// A dead item may be taken once more, as if it were new.
    #[command]
    fn revive(host: &mut dyn Host, Which { queue, id }: Which) -> Result<Empty, Fault> {
        items::revive(host, &queue, &id)
    }

    /// A dead item is gone.
    #[command]
    fn bury(host: &mut dyn Host, Which { queue, id }: Which) -> Result<Empty, Fault> {
        items::bury(host, &queue, &id)
    }

    /// How many items there are of each kind, and how many wait to take one.
    #[query]
    fn state(host: &mut dyn Host, Name { queue }: Name) -> Result<State, Fault> {
        items::state(host, &queue)
    }

    /// The dead, a hundred at a time, behind "after".
    #[query]
    fn dead(host: &mut dyn Host, Page { queue, after }: Page) -> Result<Vec<Dead>, Fault> {
        items::dead(host, &queue, after.as_deref())
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        items::react(host, events)
    }
}

zareba_guest_sdk::export!(Queue);

fn yes() -> bool {
    true
}

fn middle() -> u16 {
    500
}

fn half_a_minute() -> u64 {
    30_000
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
