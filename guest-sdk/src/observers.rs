//! Parked calls that wait for any change of one thing, all told alike. Knows no recipe.
//!
//! However many there are, no transaction grows beyond its bounds: the first few hundred are told in the
//! transaction of the change, the rest in transactions right behind it, by a timer `@tell:<tag>`.

use serde::Serialize;

use crate::line::ANSWERS_MAX;
use crate::{CallId, Event, Fault, Host, Reply, Watch, json};

/// How a timer is called that goes on with telling.
const TELL: &str = "@tell:";

/// Those who wait for a change.
#[derive(Debug)]
pub struct Observers {
    tag: String,
}

#[allow(clippy::missing_errors_doc, reason = "the host's faults")]
impl Observers {
    /// The observers of that tag.
    pub fn new(tag: impl Into<String>) -> Self {
        Self { tag: tag.into() }
    }

    /// Parks the caller. The command must return what this returns.
    pub fn wait<R>(&self, timeout_ms: Option<u64>) -> Reply<R> {
        Reply::later(&self.tag, timeout_ms)
    }

    /// Tells all who wait; if they are many, a timer rings for the rest: see [`due`].
    pub fn tell<R: Serialize>(&self, host: &mut dyn Host, news: &R) -> Result<(), Fault> {
        let news = json::write(news)?;
        self.end(host, |host, call| host.complete(call, &news))
    }

    /// Refuses all who wait, in the same way.
    pub fn refuse(&self, host: &mut dyn Host, why: &Fault) -> Result<(), Fault> {
        self.end(host, |host, call| host.fail(call, why))
    }

    fn end(
        &self,
        host: &mut dyn Host,
        end: impl Fn(&mut dyn Host, CallId) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let limit = u32::try_from(ANSWERS_MAX).unwrap_or(u32::MAX);
        let waiting = host.lookup(&self.tag, 0, limit)?;
        for call in &waiting {
            end(host, call.id)?;
        }
        if waiting.len() == ANSWERS_MAX {
            host.set_timer(&format!("{TELL}{}", self.tag), 0)?;
        }
        Ok(())
    }
}

/// The tag of observers of whom some are still to be told. Tell them what is so now.
pub fn due(event: &Event) -> Option<&str> {
    match event.kind {
        Watch::TIMER => event.tag.strip_prefix(TELL),
        _ => None,
    }
}
