//! The leader election recipe, a component. Must never know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>           ephemeral, of the leader; its czxid is the term, its data is what the leader said
//! @term/<name>     while there is a leader: the term that those who observe know of
//! @line/<call>     ephemeral, one for each candidate: what it will say
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, Dir, Empty, Event, Fault, Faults, Host, Node, Observers, Reply, Seat, SessionId, Shape,
    Watch, line, name, observers, plugin,
};

/// Leader election.
#[derive(Debug)]
pub struct Election;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// The caller's session neither leads nor stands.
    #[fault(1, "this session neither leads {name:?} nor stands for it")]
    NoCandidate {
        /// The election.
        name: String,
    },
    /// The caller's session stands already.
    #[fault(2, "this session stands for {name:?} already")]
    StandsAlready {
        /// The election.
        name: String,
    },
    /// The candidate has resigned while it stood.
    #[fault(3, "it has resigned from {name:?}")]
    Resigned {
        /// The election.
        name: String,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Stand {
    name: String,
    #[serde(default)]
    data: String,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Observe {
    name: String,
    #[serde(default)]
    term: u64,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

/// What the elected is told.
#[derive(Serialize, Shape)]
struct Elected {
    name: String,
    term: u64,
}

/// How it stands. Without a leader "term" is 0.
#[derive(Serialize, Shape)]
struct State {
    term: u64,
    session: Option<SessionId>,
    data: Option<String>,
}

#[derive(Serialize, Shape)]
struct Candidates {
    candidates: Vec<SessionId>,
}

/// Most that a candidate may say, bytes.
const DATA_BYTES_MAX: usize = 4096;
/// Candidates of one election.
const CANDIDATES_MAX: u32 = 10_000;

/// Elections by name. At most one session leads; when it resigns or its session ends, the candidate that has stood
/// longest leads in the same transaction. The term grows with every leader: it is the fencing token; let what the
/// leader writes to refuse smaller ones.
#[plugin(state_version = 1, faults = Refusal, watch("*", deleted))]
impl Election {
    /// Stands for election and waits until elected; fault -7 after "timeout_ms". Who leads already is told its term.
    #[command(parks)]
    fn stand(host: &mut dyn Host, who: &Caller, asked: Stand) -> Result<Reply<Elected>, Fault> {
        let Stand {
            name,
            data,
            timeout_ms,
        } = asked;
        name::check("election", &name)?;
        name::check_size("data", &data, DATA_BYTES_MAX)?;
        let seat = Seat::at(&name);
        // What an event failed to hand on comes first.
        fill(host, &name)?;
        if let Some(leader) = seat.holder(host)?
            && leader.session == who.session
        {
            let term = leader.token;
            return Ok(Reply::Now(Elected { name, term }));
        }
        if seat.claims(host, CANDIDATES_MAX)?.contains(&who.session) {
            return Err(Refusal::StandsAlready { name }.into());
        }
        match seat.take(host, &data, |term| elected(&name, term))? {
            Some(term) => {
                announce(host, &name)?;
                Ok(Reply::Now(Elected { name, term }))
            }
            None => seat.wait(host, who, data, timeout_ms),
        }
    }

    /// Gives up the lead, or stands no more; then its "stand" fails with fault 3.
    #[command]
    fn resign(host: &mut dyn Host, who: &Caller, Name { name }: Name) -> Result<Empty, Fault> {
        name::check("election", &name)?;
        let seat = Seat::at(&name);
        if seat
            .holder(host)?
            .is_some_and(|leader| leader.session == who.session)
        {
            seat.leave(host, |term| elected(&name, term))?;
            announce(host, &name)?;
            return Ok(Empty {});
        }
        let own = host.lookup(&name, 0, CANDIDATES_MAX)?;
        let own = own.into_iter().find(|call| call.session == who.session);
        let Some(call) = own else {
            return Err(Refusal::NoCandidate { name }.into());
        };
        seat.withdraw(host, call.id, Refusal::Resigned { name })?;
        Ok(Empty {})
    }

    /// Waits until the leader is another one than that of "term" (0: until there is one), and tells which.
    #[command(parks)]
    fn observe(host: &mut dyn Host, asked: Observe) -> Result<Reply<State>, Fault> {
        name::check("election", &asked.name)?;
        // What an event failed to tell of comes first.
        announce(host, &asked.name)?;
        let state = state(host, &asked.name)?;
        if state.term != asked.term {
            return Ok(Reply::Now(state));
        }
        Ok(observers_of(&asked.name, asked.term).wait(asked.timeout_ms))
    }

    /// Who leads.
    #[query]
    fn leader(host: &mut dyn Host, Name { name }: Name) -> Result<State, Fault> {
        name::check("election", &name)?;
        state(host, &name)
    }

    /// Who stands, in the order in which they will lead (the first ten thousand).
    #[query]
    fn candidates(host: &mut dyn Host, Name { name }: Name) -> Result<Candidates, Fault> {
        name::check("election", &name)?;
        let candidates = Seat::at(&name).claims(host, CANDIDATES_MAX)?;
        Ok(Candidates { candidates })
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        for event in events {
            if event.kind == Watch::DELETED && !event.path.starts_with('@') {
                fill(host, &event.path)?;
                announce(host, &event.path)?;
            }
            let rest = observers::due(event).and_then(|tag| tag.strip_prefix(OBSERVERS));
            if let Some((name, term)) = rest.and_then(|rest| rest.rsplit_once('/')) {
                let state = state(host, name)?;
                let term = term.parse().unwrap_or(0);
                if state.term != term {
                    observers_of(name, term).tell(host, &state)?;
                }
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Election);

/// The next candidate leads, if nobody does.
fn fill(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    if Seat::at(name)
        .fill(host, |term| elected(name, term))?
        .is_some()
    {
        announce(host, name)?;
    }
    Ok(())
}

/// Tells those who observe, if the leader is another one than they know of.
fn announce(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    let state = state(host, name)?;
    let known: Node<u64> = Dir::at(TERMS).child(name);
    let before = known.get(host)?.unwrap_or(0);
    if before == state.term {
        return Ok(());
    }
    if state.term == 0 {
        known.remove(host)?;
    } else {
        host.ensure(TERMS)?;
        known.put(host, &state.term)?;
    }
    observers_of(name, before).tell(host, &state)
}

fn state(host: &mut dyn Host, name: &str) -> Result<State, Fault> {
    let leader = Seat::at(name).holder(host)?;
    Ok(State {
        term: leader.as_ref().map_or(0, |leader| leader.token),
        session: leader.as_ref().map(|leader| leader.session),
        data: leader.map(|leader| leader.data),
    })
}

fn elected(name: &str, term: u64) -> Elected {
    Elected {
        name: name.to_owned(),
        term,
    }
}

/// Holds the terms that those who observe know of.
const TERMS: &str = "@term";
/// No election's name begins like this.
const OBSERVERS: &str = "@observe:";

/// Those who wait for another leader than that of this term.
fn observers_of(name: &str, term: u64) -> Observers {
    Observers::new(format!("{OBSERVERS}{name}/{term}"))
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
