//! Guests: WebAssembly components, their limits and their host calls.
