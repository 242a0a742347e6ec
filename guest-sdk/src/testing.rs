//! Trying a plugin natively: [`MemoryHost`], a mount in memory with sessions and time of its own, and
//! [`chaos`], which looks for a course of events that breaks a plugin's promise. Knows no access control.

pub mod chaos;
pub mod dice;
mod events;
pub mod host;
pub mod readme;
mod stage;

pub use chaos::{Ask, Promise};
pub use dice::Dice;
pub use host::{Called, MemoryHost};
