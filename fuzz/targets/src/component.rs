//! Plugins' components: bytes that a client pushes, checked, compiled and asked to describe themselves.
//! Must never call a plugin.

use std::sync::OnceLock;

use zareba_plugin_host::{CompileLimits, PluginEngine, compile};

use crate::memory::{Bound, within};

/// What the compiler takes for a few functions, on each of its threads.
const COMPILED: Bound = Bound::per_byte(1024).and(256 << 20);

/// Small, and not patient with a guest that hangs.
const LIMITS: CompileLimits = CompileLimits {
    component_bytes_max: 256 << 10,
    memory_bytes_max: 4 << 20,
    describe_ms_max: 50,
};

/// A component, or not.
pub(crate) fn component(bytes: &[u8]) {
    static ENGINE: OnceLock<Option<PluginEngine>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| PluginEngine::new().ok());
    let Some(engine) = engine else {
        panic!("the engine does not start");
    };
    match within(COMPILED, bytes.len(), || compile(engine, bytes, &LIMITS)) {
        Ok(compiled) => assert_eq!(compiled.size(), bytes.len() as u64),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
