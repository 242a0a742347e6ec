//! The fair lock recipe, a component. `lock.rs` is the recipe; this file only names its operations
//! and reads their inputs. Must never know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>                      ephemeral, of the holder; its czxid is the fencing token,
//!                             its data is what the holder said
//! @waiting/<session>:<name>   ephemeral, one for each parked acquire: its call and data
//! ```

use serde::Deserialize;
use zareba_guest_sdk::{
    Caller, Description, Event, Fault, Host, Op, Outcome, Plugin, Watch, json, unknown_op,
};

mod lock;

/// The fair lock.
#[derive(Debug)]
pub struct Lock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acquire {
    name: String,
    #[serde(default = "yes")]
    wait: bool,
    timeout_ms: Option<u64>,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    name: Option<String>,
}

impl Plugin for Lock {
    fn describe() -> Description {
        Description {
            state_version: 1,
            doc: DOC.into(),
            ops: vec![
                Op::parking(
                    "acquire",
                    r#"{"name": string, "wait"?: bool = true, "timeout_ms"?: number, "data"?: string}"#,
                    r#"{"name": string, "token": number}"#,
                    "Takes the lock, waiting in line if it is held. Fault 1 if it is held and \"wait\" is \
                     false, 3 if this session waits for it already, -7 after \"timeout_ms\".",
                ),
                Op::command(
                    "try",
                    r#"{"name": string, "data"?: string}"#,
                    r#"{"name": string, "token": number}"#,
                    "Takes the lock if it is free. Fault 1 if it is held.",
                ),
                Op::command(
                    "release",
                    r#"{"name": string}"#,
                    "{}",
                    "Gives the lock to the next in line. Fault 2 if this session does not hold it.",
                ),
                Op::query(
                    "holders",
                    r#"{"name"?: string}"#,
                    r#"[{"name": string, "session": number, "token": number, "data": string, "waiters": number}]"#,
                    "Who holds the lock of that name, or every lock (the first thousand by name).",
                ),
            ],
            watches: vec![Watch::on("*", Watch::DELETED)],
        }
    }

    fn query(host: &mut dyn Host, _: &Caller, op: &str, input: &[u8]) -> Result<Vec<u8>, Fault> {
        match op {
            "holders" => {
                let Filter { name } = json::read(input)?;
                json::write(&lock::holders(host, name.as_deref())?)
            }
            _ => Err(unknown_op(op)),
        }
    }

    fn command(
        host: &mut dyn Host,
        who: &Caller,
        op: &str,
        input: &[u8],
    ) -> Result<Outcome, Fault> {
        match op {
            "acquire" => {
                let asked: Acquire = json::read(input)?;
                if asked.wait {
                    let Acquire {
                        name,
                        data,
                        timeout_ms,
                        ..
                    } = asked;
                    return lock::acquire(host, who, name, data, timeout_ms);
                }
                json::done(&lock::try_acquire(host, who, &asked.name, asked.data)?)
            }
            "try" => {
                let asked: Acquire = json::read(input)?;
                json::done(&lock::try_acquire(host, who, &asked.name, asked.data)?)
            }
            "release" => {
                let Name { name } = json::read(input)?;
                lock::release(host, who, &name)?;
                Ok(Outcome::Done(b"{}".to_vec()))
            }
            _ => Err(unknown_op(op)),
        }
    }

    fn on_event(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        // First those who wait no more, lest the lock be handed to one of them.
        for event in events.iter().filter(|e| e.kind == Watch::CANCELLED) {
            lock::stop_waiting(host, event.session, &event.tag, event.call)?;
        }
        for event in events.iter().filter(|e| e.kind == Watch::DELETED) {
            lock::hand_on(host, &event.path)?;
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Lock);

fn yes() -> bool {
    true
}

const DOC: &str = "Named locks, handed on in the order in which they were asked for. At most one session holds a \
                   lock. When its session ends the lock passes to the next in line in the same transaction. The \
                   token grows with every holder: pass it to what the lock protects, and let that refuse smaller ones.";

#[cfg(test)]
mod tests;
