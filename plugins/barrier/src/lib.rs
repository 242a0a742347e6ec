//! The barrier recipe, a component: who comes waits until it is lifted. Must never know how a transaction is
//! carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>     while the barrier is set; holds the number of its setting
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Empty, Event, Fault, Host, Node, Observers, Reply, Shape, Watch, json, line, name, observers,
    plugin,
};

/// The barrier.
#[derive(Debug)]
pub struct Barrier;

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Wait {
    name: String,
    timeout_ms: Option<u64>,
}

#[derive(Serialize, Shape)]
struct Changed {
    changed: bool,
}

#[derive(Serialize, Shape)]
struct State {
    is_set: bool,
    waiters: u64,
}

/// Barriers by name. While one is set, who comes waits; when it is lifted, all who wait go on, and nobody of them waits
/// for a later setting.
#[plugin(state_version = 1, watch("*", deleted))]
impl Barrier {
    /// Sets the barrier; "changed" is false if it was set.
    #[command]
    fn set(host: &mut dyn Host, Name { name }: Name) -> Result<Changed, Fault> {
        name::check("barrier", &name)?;
        let node = Node::<u64>::at(&name);
        let changed = !node.is_there(host)?;
        if changed {
            let setting = host.transaction();
            node.create(host, &setting)?;
        }
        Ok(Changed { changed })
    }

    /// Lifts the barrier: who waits goes on; "changed" is false if it was not set.
    #[command]
    fn lift(host: &mut dyn Host, Name { name }: Name) -> Result<Changed, Fault> {
        name::check("barrier", &name)?;
        let node = Node::<u64>::at(&name);
        let setting = node.get(host)?;
        if let Some(setting) = setting {
            node.remove(host)?;
            release(host, &waiters(&name, setting))?;
        }
        Ok(Changed {
            changed: setting.is_some(),
        })
    }

    /// Goes on if the barrier is not set, or as soon as it is lifted; fault -7 after "timeout_ms".
    #[command(parks)]
    fn wait(host: &mut dyn Host, asked: Wait) -> Result<Reply<Empty>, Fault> {
        name::check("barrier", &asked.name)?;
        match Node::<u64>::at(&asked.name).get(host)? {
            None => Ok(Reply::Now(Empty {})),
            Some(setting) => {
                Ok(Observers::new(waiters(&asked.name, setting)).wait(asked.timeout_ms))
            }
        }
    }

    /// Whether the barrier is set, and how many wait.
    #[query]
    fn state(host: &mut dyn Host, Name { name }: Name) -> Result<State, Fault> {
        name::check("barrier", &name)?;
        let setting = Node::<u64>::at(&name).get(host)?;
        let waiters = match setting {
            Some(setting) => line::count(host, &waiters(&name, setting))?,
            None => 0,
        };
        Ok(State {
            is_set: setting.is_some(),
            waiters,
        })
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            // Somebody has lifted it by hand.
            if event.kind == Watch::DELETED
                && let Ok(setting) = json::read(&event.data)
            {
                release(host, &waiters(&event.path, setting))?;
            }
            if let Some(tag) = observers::due(event) {
                release(host, tag)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Barrier);

fn release(host: &mut dyn Host, tag: &str) -> Result<(), Fault> {
    Observers::new(tag).tell(host, &Empty {})
}

/// Who waits for a setting's end is not who waits for the next one's.
fn waiters(name: &str, setting: u64) -> String {
    format!("{name}/{setting}")
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
