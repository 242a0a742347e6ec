//! Plugins as their authors meet them: folders from templates, built by each language's own tools, deployed and
//! called. Must never know what a template holds, only what its plugin promises.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints what it has measured"
)]

mod authors;
mod promise;
mod same_primitive;
mod workshop;
