//! What a plugin author imports.
//!
//! A plugin is a type with a few functions. Each call of it is one transaction on the nodes below
//! its mount. This one counts:
//!
//! ```
//! use zareba_guest_sdk::{Caller, Description, Fault, Host, Op, Outcome, Plugin, json};
//!
//! struct Counter;
//!
//! impl Plugin for Counter {
//!     fn describe() -> Description {
//!         Description {
//!             state_version: 1,
//!             doc: "A number that many clients may raise.".into(),
//!             ops: vec![Op::command("add", r#"{"by": 2}"#, r#"{"now": 2}"#, "Adds to the number.")],
//!             watches: vec![],
//!         }
//!     }
//!
//!     fn command(host: &mut dyn Host, _: &Caller, op: &str, input: &[u8]) -> Result<Outcome, Fault> {
//!         #[derive(serde::Deserialize)]
//!         struct Add {
//!             by: u64,
//!         }
//!         if op != "add" {
//!             return Err(zareba_guest_sdk::unknown_op(op));
//!         }
//!         let Add { by } = json::read(input)?;
//!         let now = host.get_json_opt::<u64>("number")?.unwrap_or(0) + by;
//!         host.put_json("number", &now)?;
//!         json::done(&serde_json::json!({ "now": now }))
//!     }
//! }
//!
//! zareba_guest_sdk::export!(Counter);
//!
//! // Natively, the same code runs over a tree in memory.
//! let mut host = zareba_guest_sdk::testing::MemoryHost::default();
//! let caller = host.open_session();
//! for _ in 0..2 {
//!     host.command::<Counter>(&caller, "add", br#"{"by": 2}"#).unwrap();
//! }
//! assert_eq!(host.get_json::<u64>("number"), Ok(4));
//! ```
//!
//! Build it with `crate-type = ["cdylib"]` for `wasm32-unknown-unknown` and turn the module into a
//! component; `cargo xtask plugins` does both for the plugins of this repository.
//!
//! This room must never know how the host does what it promises, nor what any plugin does.

pub mod plugin;
pub use plugin::{Op, Plugin, Watch};

pub mod host;
pub use host::Host;

pub mod tree;

pub mod json;

pub mod error;
pub use error::{code, refuse, unknown_op};

pub mod testing;

pub mod bindings;
pub use bindings::exports::zareba::plugin::guest::{
    Caller, Description, Event, OpInfo, Outcome, Wait, WatchInfo,
};
pub use bindings::zareba::plugin::calls::Parked;
pub use bindings::zareba::plugin::types::{CallId, CreateMode, Fault, SessionId, Stat};
