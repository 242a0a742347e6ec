//! `zareba_fuzz_targets`' target of this name, under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zareba_fuzz_targets::run("credential", bytes));
