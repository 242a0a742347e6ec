//! Ensembles of real processes that grow, shrink and change while they serve, one file for each thing
//! that is promised. Must never look inside a server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod behind;
mod fresh_reads;
mod grow;
mod observers;
mod refused;
mod relocate;
mod replace;
mod shrink;
mod tokens;
