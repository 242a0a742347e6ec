//! The components that are measured, as they are committed, and a host that has them installed.
//! Must never know what is called.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256 as Hasher};
use zareba_model::Sha256;
use zareba_plugin_host::{CompileLimits, PluginEngine, PluginHost, compile};

/// The fair lock of the standard recipes.
pub const LOCK: &str = "plugins/dist/lock.wasm";

/// The guest that echoes.
pub const FIXTURES: &str = "tests/guests/dist/fixtures.wasm";

/// A component's bytes and address.
pub fn component(file: &str) -> (Bytes, Sha256) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bytes = fs::read(root.join(file)).expect("prebuilt components are committed");
    let sha256 = Sha256(Hasher::digest(&bytes).into());
    (bytes.into(), sha256)
}

/// A host with one component installed, and that component's address.
pub fn host_of(file: &str) -> (PluginHost, Sha256) {
    let engine = PluginEngine::new().expect("an engine starts everywhere");
    let (bytes, sha256) = component(file);
    let limits = CompileLimits::default();
    let compiled = compile(&engine, &bytes, &limits).expect("committed components compile");
    let mut host = PluginHost::new(engine);
    host.install(sha256, compiled);
    (host, sha256)
}
