//! The Rust client library over QUIC.
