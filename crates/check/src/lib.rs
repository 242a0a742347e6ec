//! Model checking: the real broadcast core of three servers, every order of what can happen to them
//! within a scope, every state compared with what must always hold. This room must never know a
//! znode, a session or a clock, and it must never imitate broadcast: what it explores is
//! [`zareba_zab::Zab`] itself.
//!
//! # What is explored
//!
//! One step is one [`Action`]: a message is taken from a link, a link's end learns its fate, the
//! oldest write of a disk becomes durable, a leader proposes a transaction or a change of the ensemble, a server loses its power, a link
//! breaks, a server runs out of patience. Every step of every server ends with a flush, so that a
//! batch is one input: the finest grain there is.
//!
//! # What keeps the states few, and why nothing is lost by it
//!
//! - Time stands still. Only [`Action::Timeout`] moves the clock of one server, far enough for every
//!   timer of its phase. Elections settle at once, which admits more elections than a patient one.
//! - A crash and the start that follows are one step, because a server that has heard of no link is
//!   as good as one that is down.
//! - A crash loses all that is not durable. One that keeps some first writes is that crash behind
//!   the steps that made them durable; only the first entries of the oldest append are kept apart.
//! - A broken link, and a crash, lose all that is on its way. What arrived before is a step before.
//! - A scope bounds transactions, crashes, broken links and timeouts ([`Scope`]).
//!
//! Server numbers break ties in elections, so servers cannot be exchanged for one another: there is no
//! symmetry to use.

mod action;
mod change;
mod disk;
mod ghost;
mod hashed;
mod link;
mod model;
#[cfg(feature = "bugs")]
mod planted;
mod scope;
mod server;
mod violation;
mod world;

pub use action::Action;
pub use change::Change;
pub use model::Ensemble;
#[cfg(feature = "bugs")]
pub use planted::{BUGS, bug_named};
pub use scope::{Scope, Start};
pub use violation::{Kind, Violation};
pub use world::World;
