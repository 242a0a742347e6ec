//! Parked calls in line, each with what it asked for. Knows no recipe.
//!
//! The kernel keeps parked calls in the order in which they parked, but not their inputs. What a call asked
//! for is kept in a node `@line/<call>` of the caller's session, which ends with it.

use core::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{code, refuse};
use crate::node::Dir;
use crate::{CallId, Caller, Event, Fault, Host, Reply, SessionId, Watch};

/// Holds the records of all lines of a mount; no name that a caller gives can be this one.
pub const LINE: &str = "@line";

/// Calls answered at once in one transaction: each takes two of the thousand changes that a transaction may
/// have, and the recipe needs some itself.
pub const ANSWERS_MAX: usize = 400;

/// Calls read at once while counting.
const PAGE: u32 = 1_000;

/// Those who wait for one thing.
#[derive(Debug)]
pub struct Line<T> {
    tag: String,
    asked: PhantomData<fn() -> T>,
}

/// One who waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting<T> {
    /// The call.
    pub call: CallId,
    /// Whose it is.
    pub session: SessionId,
    /// When it parked.
    pub since: u64,
    /// What it asked for.
    pub asked: T,
}

#[derive(Serialize, Deserialize)]
struct Record<T> {
    asked: T,
}

#[allow(clippy::missing_errors_doc, reason = "the host's faults")]
impl<T: Serialize + DeserializeOwned> Line<T> {
    /// The line of that tag.
    pub fn new(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            asked: PhantomData,
        }
    }

    /// Puts the caller at the end. The command must return what this returns.
    pub fn join<R>(
        &self,
        host: &mut dyn Host,
        who: &Caller,
        asked: T,
        timeout_ms: Option<u64>,
    ) -> Result<Reply<R>, Fault> {
        host.ensure(LINE)?;
        record(who.call).create_for(host, &Record { asked }, who.session)?;
        Ok(Reply::later(&self.tag, timeout_ms))
    }

    /// Who has waited longest.
    pub fn first(&self, host: &mut dyn Host) -> Result<Option<Waiting<T>>, Fault> {
        self.behind(host, 0)
    }

    /// Who comes next behind that call.
    pub fn behind(&self, host: &mut dyn Host, call: CallId) -> Result<Option<Waiting<T>>, Fault> {
        let mut after = call;
        while let Some(parked) = host.lookup(&self.tag, after, 1)?.pop() {
            after = parked.id;
            // Whoever may write here may have deleted or changed the record.
            if let Ok(Some(Record { asked })) = record(parked.id).get(host) {
                return Ok(Some(Waiting {
                    call: parked.id,
                    session: parked.session,
                    since: parked.since,
                    asked,
                }));
            }
            let why = format!("what this call asked for was deleted from {LINE}; ask again");
            host.fail(parked.id, &refuse(code::SYSTEM_ERROR, why))?;
        }
        Ok(None)
    }

    /// Those who have waited longest, at most so many, in order.
    pub fn all(&self, host: &mut dyn Host, limit: usize) -> Result<Vec<Waiting<T>>, Fault> {
        let mut all = Vec::new();
        let mut after = 0;
        while all.len() < limit {
            let Some(next) = self.behind(host, after)? else {
                break;
            };
            after = next.call;
            all.push(next);
        }
        Ok(all)
    }

    /// Answers one who waits.
    pub fn answer<R: Serialize>(
        &self,
        host: &mut dyn Host,
        call: CallId,
        answer: &R,
    ) -> Result<(), Fault> {
        host.complete(call, &crate::json::write(answer)?)?;
        record::<T>(call).remove(host)?;
        Ok(())
    }

    /// Refuses one who waits.
    pub fn refuse(
        &self,
        host: &mut dyn Host,
        call: CallId,
        why: impl Into<Fault>,
    ) -> Result<(), Fault> {
        host.fail(call, &why.into())?;
        record::<T>(call).remove(host)?;
        Ok(())
    }

    /// How many wait.
    pub fn len(&self, host: &mut dyn Host) -> Result<u64, Fault> {
        count(host, &self.tag)
    }
}

/// Forgets what a call asked for that waits no more. Call it for every event.
pub fn forget(host: &mut dyn Host, event: &Event) -> Result<(), Fault> {
    if event.kind == Watch::CANCELLED {
        record::<()>(event.call).remove(host)?;
    }
    Ok(())
}

/// How a timer is called that goes on where a transaction had to stop.
const REST: &str = "@rest:";

/// Has the rest done in a transaction right behind this one, for this one has done as much as one may: an
/// event comes, see [`goes_on`].
pub fn go_on(host: &mut dyn Host, name: &str) -> Result<(), Fault> {
    host.set_timer(&format!("{REST}{name}"), 0)
}

/// The name that was given to [`go_on`], if this is that event.
pub fn goes_on(event: &Event) -> Option<&str> {
    match event.kind {
        Watch::TIMER => event.tag.strip_prefix(REST),
        _ => None,
    }
}

/// How many calls of that tag are parked.
pub fn count(host: &mut dyn Host, tag: &str) -> Result<u64, Fault> {
    let (mut count, mut after) = (0, 0);
    loop {
        let page = host.lookup(tag, after, PAGE)?;
        count += page.len() as u64;
        match page.last() {
            Some(last) if page.len() == PAGE as usize => after = last.id,
            _ => return Ok(count),
        }
    }
}

fn record<T: Serialize + DeserializeOwned>(call: CallId) -> crate::node::Node<Record<T>> {
    Dir::at(LINE).child(&format!("{call:016x}"))
}
