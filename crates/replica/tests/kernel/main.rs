//! What a session may ask and what comes of it, on one server that leads itself, with a disk that writes
//! at once. Must never know how servers agree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod audit;
mod durable;
mod ends;
mod guests;
mod lifecycle;
mod limits;
mod local;
mod model;
mod plugins;
mod property;
mod quotas;
mod solo;
mod subtrees;
mod trio;
mod watches;
