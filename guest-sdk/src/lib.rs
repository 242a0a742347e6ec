//! What a plugin author imports.
//!
//! A plugin is a type whose functions are its operations. Each call is one transaction on the nodes below
//! its mount. This one counts:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use zareba_guest_sdk::{Fault, Faults, Host, Node, Shape, plugin};
//!
//! struct Counter;
//!
//! #[derive(Deserialize, Shape)]
//! struct Add {
//!     by: u64,
//! }
//!
//! #[derive(Serialize, Shape)]
//! struct Now {
//!     now: u64,
//! }
//!
//! #[derive(Faults)]
//! enum Refusal {
//!     /// The number would grow too large.
//!     #[fault(1, "{now} is as far as it goes")]
//!     Full { now: u64 },
//! }
//!
//! /// A number that many clients may raise.
//! #[plugin(state_version = 1, faults = Refusal)]
//! impl Counter {
//!     /// Adds to the number.
//!     #[command]
//!     fn add(host: &mut dyn Host, Add { by }: Add) -> Result<Now, Fault> {
//!         let number = Node::<u64>::at("number");
//!         let now = number.get(host)?.unwrap_or(0);
//!         if now + by > 1_000 {
//!             return Err(Refusal::Full { now }.into());
//!         }
//!         number.put(host, &(now + by))?;
//!         Ok(Now { now: now + by })
//!     }
//!
//!     /// The number.
//!     #[query]
//!     fn get(host: &mut dyn Host) -> Result<Now, Fault> {
//!         let now = Node::at("number").get(host)?.unwrap_or(0);
//!         Ok(Now { now })
//!     }
//! }
//!
//! zareba_guest_sdk::export!(Counter);
//!
//! // Natively, the same code runs over a tree in memory.
//! use serde_json::json;
//! use zareba_guest_sdk::{Plugin as _, testing::MemoryHost};
//!
//! assert_eq!(Counter::describe().ops[0].input, r#"{"by": integer}"#);
//! let mut host = MemoryHost::default();
//! let caller = host.open_session();
//! for _ in 0..2 {
//!     host.call::<Counter>(&caller, "add", json!({ "by": 2 })).unwrap();
//! }
//! assert_eq!(host.ask::<Counter>(&caller, "get", json!({})).unwrap(), json!({ "now": 4 }));
//! ```
//!
//! Build it with `crate-type = ["cdylib"]` for `wasm32-unknown-unknown` and turn the module into a
//! component; `cargo xtask plugins` does both for the plugins of this repository.
//!
//! What several recipes need is here once: [`Line`], those who wait, with what each asked for; [`Seat`], what
//! one session at a time has; [`Observers`], those who wait for any change; [`name`], what callers may call
//! things. [`testing`] has the host in memory, and chaos.
//!
//! This room must never know how the host does what it promises, nor what any plugin does.

pub mod plugin;
pub use plugin::{Op, Plugin, Watch};

pub mod host;
pub use host::Host;

pub mod node;
pub mod tree;
pub use node::{Dir, Node};

pub mod json;
pub mod reply;
pub use reply::{Empty, Reply};
pub mod shape;
pub use shape::Shape;

pub mod line;
pub use line::{Line, Waiting};
pub mod observers;
pub use observers::Observers;
pub mod seat;
pub use seat::Seat;
pub mod name;

pub mod error;
pub use error::{code, refuse, unknown_op};

#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub mod bindings;
pub use bindings::exports::zareba::plugin::guest::{
    Caller, Description, Event, OpInfo, Outcome, Wait, WatchInfo,
};
pub use bindings::zareba::plugin::calls::Parked;
pub use bindings::zareba::plugin::types::{CallId, CreateMode, Fault, SessionId, Stat};

/// Makes a plugin of an `impl` block.
///
/// Its functions marked `#[command]`, `#[command(parks)]` or `#[query]` are operations, called by their names
/// (`name = "..."` for another one). Each takes the host, then, if it needs them, `who: &Caller` and its
/// input, which is read from JSON; its answer is written as JSON. One that parks returns a [`Reply`]. Their
/// doc comments, and the block's, are what `describe` says.
///
/// A function marked `#[event]` takes the host and `&[Event]`; one marked `#[migrate]` the host and the version
/// of the layout that it finds.
///
/// Of the attribute itself: `state_version = N` for the layout (1 if not said), `watch("PATTERN", created, changed,
/// deleted)` for the changes to react to, and `faults = TYPE` lists the codes of a [`Faults`] in the description.
pub use zareba_guest_sdk_macros::plugin;

/// Turns an enum into the plugin's own faults: every variant has a code above 0 and a message that may use
/// its fields.
///
/// ```
/// use zareba_guest_sdk::{Fault, Faults};
///
/// #[derive(Faults)]
/// enum Refusal {
///     /// Somebody else holds it.
///     #[fault(1, "{name:?} is held")]
///     Held { name: String },
/// }
///
/// let fault = Fault::from(Refusal::Held { name: "db".into() });
/// assert_eq!((fault.code, fault.message.as_str()), (1, "\"db\" is held"));
/// assert_eq!(Refusal::LIST, [(1, "Somebody else holds it.")]);
/// ```
pub use zareba_guest_sdk_macros::Faults;

/// See [the trait](shape::Shape).
pub use zareba_guest_sdk_macros::Shape;
