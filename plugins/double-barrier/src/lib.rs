//! The double barrier recipe, a component: so many begin together, and all end together. Must never know how a
//! transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>                       while a round is under way; holds its number and how many began
//! <name>/<call>.<session>      ephemeral, of each who has entered and not left
//! @line/<call>                 ephemeral, one for each who waits to enter: how many it takes
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, CreateMode, Empty, Event, Fault, Faults, Host, Line, Node, Observers, Reply, Shape,
    Waiting, Watch, code, line, name, observers, plugin, refuse,
};

/// The double barrier.
#[derive(Debug)]
pub struct DoubleBarrier;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Others wait to enter, and said another number.
    #[fault(1, "those who wait for {name:?} want to be {count}")]
    AnotherCount {
        /// The barrier.
        name: String,
        /// What the first of them said.
        count: u64,
    },
    /// The caller's session has not entered.
    #[fault(2, "this session is not within {name:?}")]
    NotWithin {
        /// The barrier.
        name: String,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Enter {
    name: String,
    count: u64,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Leave {
    name: String,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

/// What those who enter together are told.
#[derive(Clone, Serialize, Deserialize, Shape)]
struct Round {
    round: u64,
    count: u64,
}

#[derive(Serialize, Shape)]
struct State {
    round: Option<u64>,
    within: u64,
    waiting: u64,
}

/// Most that enter together: three changes each in one transaction.
const COUNT_MAX: u64 = 300;

/// Double barriers by name. Nobody enters before "count" are there, and then all of them enter in one transaction; who
/// gives up or dies before leaves no trace, so that no one enters with fewer. Who leaves waits until all who entered
/// with it have left or died. Who comes while a round is under way waits for the next one.
#[plugin(state_version = 1, faults = Refusal, watch("*/*", deleted), watch("*", deleted))]
impl DoubleBarrier {
    /// Waits until "count" (at most 300) are there, and enters with them; fault -7 after "timeout_ms".
    #[command(parks)]
    fn enter(host: &mut dyn Host, who: &Caller, asked: Enter) -> Result<Reply<Round>, Fault> {
        let Enter {
            name,
            count,
            timeout_ms,
        } = asked;
        name::check("barrier", &name)?;
        if count == 0 || count > COUNT_MAX {
            let why = format!("a count of {count}; between 1 and {COUNT_MAX}");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        // What an event failed to begin or end comes first.
        proceed(host, &name)?;
        let line = line_of(&name);
        if let Some(first) = line.first(host)?
            && first.asked != count
        {
            let count = first.asked;
            return Err(Refusal::AnotherCount { name, count }.into());
        }
        if host.exists(&name)?.is_some() || !may_be(host, &line, count - 1)? {
            return line.join(host, who, count, timeout_ms);
        }
        let others = usize::try_from(count - 1).unwrap_or(usize::MAX);
        let waiting = line.all(host, others)?;
        if waiting.len() < others {
            return line.join(host, who, count, timeout_ms);
        }
        let mut round = begin(host, &name, waiting)?;
        round.count = count;
        Node::at(&name).put(host, &round)?;
        member(host, &name, who.call, who.session)?;
        Ok(Reply::Now(round))
    }

    /// Leaves, and waits until all have left; fault -7 after "timeout_ms", but it has left.
    #[command(parks)]
    fn leave(host: &mut dyn Host, who: &Caller, asked: Leave) -> Result<Reply<Empty>, Fault> {
        let Leave { name, timeout_ms } = asked;
        name::check("barrier", &name)?;
        let own = format!(".{:x}", who.session);
        let within = match host.exists(&name)? {
            Some(_) => host.children(&name, None, u32::MAX)?,
            None => Vec::new(),
        };
        let Some(member) = within.iter().find(|it| it.ends_with(&own)) else {
            return Err(Refusal::NotWithin { name }.into());
        };
        let round = Node::<Round>::at(&name).get(host)?;
        host.delete(&format!("{name}/{member}"), None)?;
        if within.len() == 1 {
            proceed(host, &name)?;
            return Ok(Reply::Now(Empty {}));
        }
        let round = round.map_or(0, |round| round.round);
        Ok(Observers::new(leavers(&name, round)).wait(timeout_ms))
    }

    /// Whether a round is under way, how many are within, how many wait to enter.
    #[query]
    fn state(host: &mut dyn Host, Name { name }: Name) -> Result<State, Fault> {
        name::check("barrier", &name)?;
        let round = Node::<Round>::at(&name).get(host)?;
        let within = host.exists(&name)?.map_or(0, |stat| stat.num_children);
        Ok(State {
            round: round.map(|round| round.round),
            within,
            waiting: line_of(&name).len(host)?,
        })
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        for event in events {
            match event.kind {
                Watch::DELETED => {
                    let name = event.path.split('/').next().unwrap_or_default();
                    if !name.starts_with('@') {
                        // Of a round whose node was deleted by hand nobody knows any more.
                        if event.path == name
                            && let Ok(round) = zareba_guest_sdk::json::read::<Round>(&event.data)
                        {
                            release(host, &leavers(name, round.round))?;
                        }
                        proceed(host, name)?;
                    }
                }
                _ => {
                    if let Some(tag) = observers::due(event) {
                        release(host, tag)?;
                    }
                }
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(DoubleBarrier);

/// Ends the round if nobody is within any more, and begins the next if enough wait.
fn proceed(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    if let Some(stat) = host.exists(name)? {
        if stat.num_children > 0 {
            return Ok(());
        }
        let round = Node::<Round>::at(name).get(host)?;
        host.delete(name, None)?;
        if let Some(round) = round {
            release(host, &leavers(name, round.round))?;
        }
    }
    let line = line_of(name);
    let Some(first) = line.first(host)? else {
        return Ok(());
    };
    if !may_be(host, &line, first.asked)? {
        return Ok(());
    }
    let count = usize::try_from(first.asked).unwrap_or(usize::MAX);
    let waiting = line.all(host, count)?;
    if waiting.len() == count {
        begin(host, name, waiting)?;
    }
    Ok(())
}

/// False if fewer than `count` wait. Looked at before they are read one by one, or each who comes would read all
/// who came before.
fn may_be(host: &mut dyn Host, line: &Line<u64>, count: u64) -> Result<bool, Fault> {
    let of_all_lines = host.exists(line::LINE)?.map_or(0, |stat| stat.num_children);
    Ok(of_all_lines >= count && line.len(host)? >= count)
}

/// All of these enter.
fn begin(host: &mut dyn Host, name: &str, waiting: Vec<Waiting<u64>>) -> Result<Round, Fault> {
    let round = Round {
        round: host.transaction(),
        count: waiting.len() as u64,
    };
    let line = line_of(name);
    Node::at(name).create(host, &round)?;
    for one in waiting {
        member(host, name, one.call, one.session)?;
        let count = one.asked;
        line.answer(
            host,
            one.call,
            &Round {
                count,
                ..round.clone()
            },
        )?;
    }
    Ok(round)
}

fn member(host: &mut dyn Host, name: &str, call: u64, session: u64) -> Result<(), Fault> {
    let path = format!("{name}/{call:016x}.{session:x}");
    host.create_owned(&path, b"", CreateMode::Ephemeral, session)?;
    Ok(())
}

fn release(host: &mut dyn Host, tag: &str) -> Result<(), Fault> {
    Observers::new(tag).tell(host, &Empty {})
}

fn leavers(name: &str, round: u64) -> String {
    format!("@leave:{name}/{round}")
}

fn line_of(name: &str) -> Line<u64> {
    Line::new(name)
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
