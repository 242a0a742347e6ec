//! What the build script has packed. It must never hold a line written by hand.

include!(concat!(env!("OUT_DIR"), "/packed.rs"));

/// `wasi.wat` as a module.
pub(crate) const WASI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/wasi.wasm"));
