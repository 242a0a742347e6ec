//! Guests: WebAssembly components, their limits and their host calls.
//!
//! ```text
//! bytes -> compile (any thread) -> Compiled -> PluginHost::install -> PluginHost::invoke (the loop)
//! ```
//!
//! A [`PluginHost`] belongs to one thread, the one that owns the stages; [`PluginEngine`] and
//! [`Compiled`] go anywhere. No compiled code is kept on disk: a component takes milliseconds to
//! compile, and foreign compiled code could do anything.
//!
//! This room must never know what a stage does with what is staged, nor what any plugin is for.

mod bindings;

pub mod engine;
pub use engine::PluginEngine;

mod clock;

pub mod compile;
pub use compile::{CompileLimits, Compiled, compile};

pub mod registry;
pub use registry::PluginHost;

mod call;
mod host;
mod instance;
mod limits;

mod metrics;

pub mod error;
pub use error::{CompileError, EngineError};
