//! The rendezvous recipe, a component: who comes first waits for what the other brings. Must never know how a
//! transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>           ephemeral, of who published; persistent if it is to last: the value
//! @line/<call>     ephemeral, of who waits to exchange: what it brings
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zareba_guest_sdk::{
    Caller, Empty, Event, Fault, Faults, Host, Line, Node, Observers, Reply, SessionId, Shape,
    json, line, name, observers, plugin,
};

/// Rendezvous.
#[derive(Debug)]
pub struct Rendezvous;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Somebody has published it.
    #[fault(1, "{name:?} is published")]
    Published {
        /// The rendezvous.
        name: String,
    },
    /// The caller's session has published nothing there.
    #[fault(2, "this session has not published {name:?}")]
    NotThePublisher {
        /// The rendezvous.
        name: String,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Publish {
    name: String,
    value: Value,
    #[serde(default)]
    lasting: bool,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Await {
    name: String,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Exchange {
    name: String,
    value: Value,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Serialize, Shape)]
struct Found {
    value: Value,
    session: SessionId,
}

/// A published value as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    value: Value,
    session: SessionId,
}

/// Largest value, bytes of JSON.
const BYTES_MAX: usize = 64 << 10;

/// Meetings by name. One publishes a value, such as where it listens; others wait for it, and whoever comes later has it at
/// once. It ends with the publisher's session unless it is "lasting". Or two exchange: each brings a value and gets the
/// other's, both in one transaction, and nobody gets a value of which its bringer has not got one in return.
#[plugin(state_version = 1, faults = Refusal)]
impl Rendezvous {
    /// Publishes a value; who waits has it in the same transaction.
    #[command]
    fn publish(host: &mut dyn Host, who: &Caller, asked: Publish) -> Result<Empty, Fault> {
        let Publish {
            name,
            value,
            lasting,
        } = asked;
        let node = node(&name, &value)?;
        if node.is_there(host)? {
            return Err(Refusal::Published { name }.into());
        }
        let session = who.session;
        let kept = Kept { value, session };
        match lasting {
            true => node.create(host, &kept)?,
            false => node.create_for(host, &kept, session)?,
        }
        tell(host, &name)?;
        Ok(Empty {})
    }

    /// Takes back what this session has published.
    #[command]
    fn withdraw(host: &mut dyn Host, who: &Caller, Name { name }: Name) -> Result<Empty, Fault> {
        let node = node(&name, &Value::Null)?;
        match node.get(host)? {
            Some(kept) if kept.session == who.session => {
                node.remove(host)?;
                Ok(Empty {})
            }
            _ => Err(Refusal::NotThePublisher { name }.into()),
        }
    }

    /// Waits until a value is published, and tells it; fault -7 after "timeout_ms".
    #[command(parks, name = "await")]
    fn wait(host: &mut dyn Host, asked: Await) -> Result<Reply<Found>, Fault> {
        let found = node(&asked.name, &Value::Null)?.get(host)?;
        match found {
            Some(Kept { value, session }) => Ok(Reply::Now(Found { value, session })),
            None => Ok(Observers::new(asked.name).wait(asked.timeout_ms)),
        }
    }

    /// Brings a value and waits for somebody else who does; fault -7 after "timeout_ms".
    #[command(parks)]
    fn exchange(host: &mut dyn Host, who: &Caller, asked: Exchange) -> Result<Reply<Found>, Fault> {
        let Exchange {
            name,
            value,
            timeout_ms,
        } = asked;
        node(&name, &value)?;
        let line = Line::<Value>::new(format!("@exchange:{name}"));
        let Some(other) = line.first(host)? else {
            return line.join(host, who, value, timeout_ms);
        };
        let session = who.session;
        line.answer(host, other.call, &Found { value, session })?;
        Ok(Reply::Now(Found {
            value: other.asked,
            session: other.session,
        }))
    }

    /// What is published, or null.
    #[query]
    fn get(host: &mut dyn Host, Name { name }: Name) -> Result<Option<Found>, Fault> {
        let found = node(&name, &Value::Null)?.get(host)?;
        Ok(found.map(|Kept { value, session }| Found { value, session }))
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
            if let Some(name) = observers::due(event) {
                tell(host, name)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Rendezvous);

/// Tells all who wait, unless it is withdrawn meanwhile.
fn tell(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    match Node::<Kept>::at(name).get(host)? {
        Some(Kept { value, session }) => Observers::new(name).tell(host, &Found { value, session }),
        None => Ok(()),
    }
}

fn node(name: &str, value: &Value) -> Result<Node<Kept>, Fault> {
    name::check("rendezvous", name)?;
    let text = String::from_utf8(json::write(value)?).unwrap_or_default();
    name::check_size("a value", &text, BYTES_MAX)?;
    Ok(Node::at(name))
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
