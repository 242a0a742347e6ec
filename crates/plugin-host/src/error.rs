//! Why a component is refused, and why an engine does not start. Decides nothing.

use thiserror::Error;

/// No guest can be run on this machine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The WebAssembly engine refused its configuration.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The thread that ends guests which run too long did not start.
    #[error("the plugins' ticker does not start: {0}")]
    Ticker(#[from] std::io::Error),
}

/// A component is refused. Each message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    /// It has more bytes than allowed.
    #[error(
        "the component has {size} bytes; at most {max} are allowed: build it optimized and stripped"
    )]
    TooLarge {
        /// What it has.
        size: u64,
        /// What it may have.
        max: u64,
    },
    /// It is a core module.
    #[error(
        "this is a core module, not a component: run it through `wasm-tools component new` first"
    )]
    CoreModule,
    /// It is no valid component, or uses a feature that is switched off.
    #[error("not a component that can be run: {0}")]
    Invalid(String),
    /// It wants something that no plugin gets.
    #[error(
        "the component imports {import}, which no plugin is given: only zareba:plugin@1 is; \
         build it for wasm32-unknown-unknown or without a system interface (WASI)"
    )]
    ForeignImport {
        /// The first such import.
        import: String,
    },
    /// It wants a function that this server does not have, or in another shape.
    #[error(
        "the component does not fit this server's zareba:plugin: {0}; \
         build it with a guest SDK that is no newer than the server"
    )]
    Unlinkable(String),
    /// It does not offer what a plugin offers.
    #[error("the component does not export zareba:plugin/guest@1.0.0 as this server knows it: {0}")]
    NoGuest(String),
    /// It wants more memory or tables from the start than a plugin may have.
    #[error("the component needs {what} of {needed}; at most {max} is allowed")]
    Resources {
        /// Of what.
        what: &'static str,
        /// How much it needs.
        needed: u64,
        /// How much it may have.
        max: u64,
    },
    /// It failed to describe itself.
    #[error("the component's describe() failed: {0}")]
    Describe(String),
    /// What it says of itself makes no sense.
    #[error("the component's description makes no sense: {0}")]
    BadDescription(String),
}
