//! The doors: bytes of clients in, bytes out, and limits. No door decides what a request means.

pub(crate) mod identity;
pub(crate) mod native;
pub(crate) mod occupancy;
pub(crate) mod quic;
