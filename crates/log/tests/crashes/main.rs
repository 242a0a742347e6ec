//! The log against power cuts, lost pages and flipped bits. Must never know how the log does it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, their helpers too"
)]

mod flips;
mod images;
mod lives;
mod model;
mod random;

/// A number from the environment, for the full run that `cargo xtask crash-images` makes.
fn option(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}
