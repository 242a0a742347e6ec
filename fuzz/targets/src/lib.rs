//! What is fuzzed: one function per decoder and parser, from bytes that anybody may send, or that a
//! disk may give back, to a verdict. A target panics if a promise is broken: no panic and no endless
//! loop below it, memory within a stated multiple of the input, and what each file says besides.
//!
//! libFuzzer runs the targets (`cargo xtask fuzz`); the tests of this package run them over all seeds,
//! the committed corpus and a bounded number of mutations of both, with any compiler. Must never run
//! in a server: a broken promise ends the process.

mod access;
mod certificates;
mod configuration;
mod encoded;
mod frames;
mod image;
mod input;
mod jute;
mod log_files;
mod path;

#[cfg(feature = "server")]
mod component;

pub mod memory;
pub mod seeds;

/// One function under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line; also the file of its corpus.
    pub name: &'static str,
    /// Takes an input; panics if a promise is broken.
    pub run: fn(&[u8]),
    /// Mutations of each input in an ordinary test.
    pub mutations: usize,
}

/// A target that takes some microseconds.
const fn fast(name: &'static str, run: fn(&[u8])) -> Target {
    let mutations = 40;
    Target {
        name,
        run,
        mutations,
    }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    fast("client_message", encoded::client_message),
    fast("server_message", encoded::server_message),
    fast("native_frames", frames::native_frames),
    fast("peer_messages", encoded::peer_messages),
    fast("relay", encoded::relay),
    fast("txn", encoded::txn),
    fast("record", encoded::record),
    fast("snapshot", image::snapshot),
    fast("log_files", log_files::log_files),
    fast("jute", jute::jute),
    fast("jute_frames", frames::jute_frames),
    fast("path", path::path),
    fast("acl", access::acl),
    fast("network", access::network),
    #[cfg(feature = "server")]
    fast("credential", access::credential),
    fast("invitation", configuration::invitation),
    fast("profile", configuration::profile),
    fast("certificate", certificates::certificate),
    fast("signing_request", certificates::signing_request),
    #[cfg(feature = "server")]
    fast("server_config", configuration::server_config),
    #[cfg(feature = "server")]
    Target {
        name: "component",
        run: component::component,
        mutations: 4,
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}

/// Runs the target of that name, as libFuzzer's programs do.
///
/// # Panics
///
/// If a promise is broken, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    match target(name) {
        Some(target) => (target.run)(bytes),
        None => panic!("no target is named {name}"),
    }
}
