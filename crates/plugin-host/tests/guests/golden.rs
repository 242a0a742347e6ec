//! Components as they were built against 1.0 of the contract, kept for ever: what was deployed once must run
//! on every later server.

use std::path::Path;

use zareba_plugin_host::{CompileLimits, PluginEngine, compile};

use super::{Bench, is_parked, text};

fn golden(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/golden/1.0");
    std::fs::read(Path::new(folder).join(name)).unwrap()
}

#[test]
fn what_was_built_against_1_0_still_describes_itself() {
    let engine = PluginEngine::new().unwrap();
    for (name, ops) in [
        ("counter.wasm", 6),
        ("double-barrier.wasm", 3),
        ("fixtures.wasm", 16),
        ("lock.wasm", 6),
    ] {
        let compiled = compile(&engine, &golden(name), &CompileLimits::default());
        let compiled = compiled.unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(compiled.description().ops.len(), ops, "{name}");
    }
}

#[test]
fn what_was_built_against_1_0_still_does_what_it_did() {
    let mut lock = Bench::new(&golden("lock.wasm"));
    let db = r#"{"name":"db"}"#;
    let held = r#"{"name":"db","token":4294967297,"holds":1}"#;
    assert_eq!(text(lock.command(1, "acquire", db)), held);
    assert!(is_parked(&lock.command(2, "acquire", db)));
    assert_eq!(text(lock.command(1, "release", db)), r#"{"holds":0}"#);
    let mut counter = Bench::new(&golden("counter.wasm"));
    for value in [2, 4] {
        let answer = text(counter.command(1, "add", r#"{"name":"n","by":2}"#));
        assert!(answer.contains(&format!(":{value}")), "{answer}");
    }
    let mut barrier = Bench::new(&golden("double-barrier.wasm"));
    let enter = r#"{"name":"job","count":2}"#;
    assert!(is_parked(&barrier.command(1, "enter", enter)));
    text(barrier.command(2, "enter", enter));
}
