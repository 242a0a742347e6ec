//! The fair lock recipe, a component. `lock.rs` is the recipe; this file only names its operations
//! and reads their inputs. Must never know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>            ephemeral, of the holder; its czxid is the fencing token,
//!                   its data is what the holder said
//! @again/<name>     ephemeral, of a holder that has taken the lock more than once: how often
//! @revoked/<name>   ephemeral, of a holder that was asked to give the lock up: the words
//! @line/<call>      ephemeral, one for each parked acquire: what it will say
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, Empty, Event, Fault, Faults, Host, Reply, SessionId, Shape, plugin,
};

mod lock;

/// The fair lock.
#[derive(Debug)]
pub struct Lock;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Somebody else holds the lock, and the caller would not wait.
    #[fault(1, "{name:?} is held")]
    Held {
        /// The lock.
        name: String,
    },
    /// The caller's session does not hold the lock.
    #[fault(2, "this session does not hold {name:?}")]
    NotTheHolder {
        /// The lock.
        name: String,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Acquire {
    name: String,
    #[serde(default = "yes")]
    wait: bool,
    timeout_ms: Option<u64>,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Try {
    name: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Revoke {
    name: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Filter {
    name: Option<String>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Await {
    name: String,
    timeout_ms: Option<u64>,
}

/// What a holder is told.
#[derive(Serialize, Shape)]
struct Grant {
    name: String,
    token: u64,
    holds: u64,
}

#[derive(Serialize, Shape)]
struct Released {
    holds: u64,
}

/// What a holder is asked.
#[derive(Serialize, Shape)]
struct Revoked {
    name: String,
    message: String,
}

/// One held lock.
#[derive(Serialize, Shape)]
struct Holder {
    name: String,
    session: SessionId,
    token: u64,
    data: String,
    waiters: u64,
}

/// Named locks, handed on in the order in which they were asked for. At most one session holds a lock. When its
/// session ends the lock passes to the next in line in the same transaction. The token grows with every holder:
/// pass it to what the lock protects, and let that refuse smaller ones.
#[plugin(state_version = 2, faults = Refusal, watch("*", deleted))]
impl Lock {
    /// Takes the lock, waiting in line if it is held; fault -7 after "timeout_ms". A session that holds it already
    /// takes it once more, and must release it as often.
    #[command(parks)]
    fn acquire(host: &mut dyn Host, who: &Caller, asked: Acquire) -> Result<Reply<Grant>, Fault> {
        lock::acquire(host, who, asked)
    }

    /// Takes the lock if it is free.
    #[command]
    fn r#try(host: &mut dyn Host, who: &Caller, asked: Try) -> Result<Grant, Fault> {
        lock::try_acquire(host, who, &asked.name, &asked.data)
    }

    /// Gives the lock up, or takes back one of several times it was taken; "holds" is how many are left.
    #[command]
    fn release(host: &mut dyn Host, who: &Caller, Name { name }: Name) -> Result<Released, Fault> {
        lock::release(host, who, &name)
    }

    /// Asks the holder to give the lock up. It need not.
    #[command]
    fn revoke(host: &mut dyn Host, asked: Revoke) -> Result<Empty, Fault> {
        lock::revoke(host, asked)
    }

    /// For the holder: waits until somebody asks it to give the lock up; fault -7 after "timeout_ms", fault 2 once it holds
    /// it no more.
    #[command(parks)]
    fn revoked(
        host: &mut dyn Host,
        who: &Caller,
        Await { name, timeout_ms }: Await,
    ) -> Result<Reply<Revoked>, Fault> {
        lock::revoked(host, who, name, timeout_ms)
    }

    /// Who holds the lock of that name, or every lock (the first thousand by name).
    #[query]
    fn holders(host: &mut dyn Host, Filter { name }: Filter) -> Result<Vec<Holder>, Fault> {
        lock::holders(host, name.as_deref())
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        lock::react(host, events)
    }

    #[migrate]
    fn migrate(host: &mut dyn Host, stored: u32) -> Result<(), Fault> {
        lock::migrate(host, stored)
    }
}

zareba_guest_sdk::export!(Lock);

fn yes() -> bool {
    true
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;
