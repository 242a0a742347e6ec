//! The standard recipes in the simulator: a plugin that is written on the guest SDK runs natively in simulated
//! servers, and its promise is judged in the order of the committed transactions. Must never know a recipe.

mod guest;
mod judge;
mod stage;
mod view;

pub use guest::Native;
pub use judge::Judged;
