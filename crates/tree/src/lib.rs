//! The replicated state: one apply, one digest, one snapshot.
//!
//! A [`Tree`] holds the znodes and everything else that every member must agree on: sessions and
//! their results, parked calls, timers, plugins, components and mounts. The same transactions
//! always lead to the same state and the same digest. Transactions have been decided before they
//! come here, so [`Tree::apply`] refuses nothing.
//!
//! This room must never know how a transaction is decided, ordered, encoded or stored; it has no
//! clock, no randomness and no hash order that could be observed.

mod tree;
pub use tree::Tree;

mod node;
pub use node::NodeRef;

mod children;
mod nodes;
mod path_index;

mod sessions;
pub use sessions::Session;

mod ephemerals;
mod lifetimes;
mod quotas;

mod calls;
mod timers;

mod plugins;
pub use plugins::{Component, PluginRecord};

mod membership;
pub use membership::{AdministratorsRecord, EnsembleRecord};

mod apply;
mod changes;
pub use changes::{Changes, Divergence, NodeChange};

mod digest;
mod dirty;
mod read;

pub mod acl;

pub mod reserved;

mod snapshot;
pub use snapshot::{NodeRecord, Record, RecordKey, RestoreError, TreeBuilder};

#[cfg(test)]
mod tests;
