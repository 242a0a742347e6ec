//! What a plugin is: a trait with defaults, and the macro that makes a component of it. Knows no
//! particular plugin.

use crate::bindings::exports::zareba::plugin::guest;
use crate::host::{Host, Imported};
use crate::{Caller, Description, Event, Fault, OpInfo, Outcome, WatchInfo, unknown_op};

/// A plugin. It has no state of its own: what must last is in nodes.
pub trait Plugin {
    /// What it offers. Must not use the host.
    fn describe() -> Description;

    /// Answers one of its read-only operations.
    fn query(host: &mut dyn Host, who: &Caller, op: &str, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let _ = (host, who, input);
        Err(unknown_op(op))
    }

    /// Carries out one of its commands.
    fn command(
        host: &mut dyn Host,
        who: &Caller,
        op: &str,
        input: &[u8],
    ) -> Result<Outcome, Fault> {
        let _ = (host, who, input);
        Err(unknown_op(op))
    }

    /// Reacts to what happened below its mount. May see an event again, later, if it failed.
    fn on_event(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        let _ = (host, events);
        Ok(())
    }

    /// Brings nodes of an older layout up to this one.
    fn migrate(host: &mut dyn Host, stored: u32) -> Result<(), Fault> {
        let _ = (host, stored);
        Ok(())
    }
}

/// Makers of operation records.
#[derive(Clone, Copy, Debug)]
pub struct Op;

impl Op {
    /// An operation that writes and answers at once.
    pub fn command(name: &str, input: &str, output: &str, doc: &str) -> OpInfo {
        OpInfo {
            name: name.into(),
            read_only: false,
            may_park: false,
            doc: doc.into(),
            input: input.into(),
            output: output.into(),
        }
    }

    /// An operation that writes and may be answered later.
    pub fn parking(name: &str, input: &str, output: &str, doc: &str) -> OpInfo {
        OpInfo {
            may_park: true,
            ..Self::command(name, input, output, doc)
        }
    }

    /// An operation that reads.
    pub fn query(name: &str, input: &str, output: &str, doc: &str) -> OpInfo {
        OpInfo {
            read_only: true,
            ..Self::command(name, input, output, doc)
        }
    }
}

/// A plugin's description with its own faults behind it.
pub fn doc(text: &str, faults: &[(i32, &str)]) -> String {
    let mut doc = text.to_owned();
    for (code, meaning) in faults {
        doc.push_str(&format!("\nFault {code}: {meaning}"));
    }
    doc
}

/// The kinds of events, as bits.
#[derive(Clone, Copy, Debug)]
pub struct Watch;

impl Watch {
    /// A node came to be.
    pub const CREATED: u32 = 1;
    /// A node's data was set.
    pub const CHANGED: u32 = 2;
    /// A node is gone.
    pub const DELETED: u32 = 4;
    /// A parked call was cancelled; comes without being watched.
    pub const CANCELLED: u32 = 8;
    /// An alarm rang; comes without being watched.
    pub const TIMER: u32 = 16;

    /// Asks for events of nodes whose path matches.
    pub fn on(pattern: &str, kinds: u32) -> WatchInfo {
        WatchInfo {
            pattern: pattern.into(),
            kinds,
        }
    }
}

/// Joins a [`Plugin`] to the generated exports; named by [`crate::export!`] alone.
#[doc(hidden)]
#[derive(Debug)]
pub struct Exported<P>(core::marker::PhantomData<P>);

impl<P: Plugin> guest::Guest for Exported<P> {
    fn describe() -> Description {
        report_panics();
        P::describe()
    }

    fn query(who: Caller, op: String, input: Vec<u8>) -> Result<Vec<u8>, Fault> {
        report_panics();
        P::query(&mut Imported, &who, &op, &input)
    }

    fn command(who: Caller, op: String, input: Vec<u8>) -> Result<Outcome, Fault> {
        report_panics();
        P::command(&mut Imported, &who, &op, &input)
    }

    fn on_event(events: Vec<Event>) -> Result<(), Fault> {
        report_panics();
        P::on_event(&mut Imported, &events)
    }

    fn migrate(stored: u32) -> Result<(), Fault> {
        report_panics();
        P::migrate(&mut Imported, stored)
    }
}

/// A panic has nowhere to print: its message goes to the plugin's log before the trap.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        Imported.log(1, &info.to_string());
    }));
}

/// Makes a component's exports of a [`Plugin`]. Natively it does nothing, so that a plugin's own
/// tests run anywhere.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        type ZarebaExported = $crate::plugin::Exported<$plugin>;
        #[cfg(target_family = "wasm")]
        $crate::bindings::export_guest!(ZarebaExported with_types_in $crate::bindings);
    };
}
