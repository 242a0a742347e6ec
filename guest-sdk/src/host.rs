//! The host as a trait, so that a plugin runs over the real one and over the one in memory alike.
//! Adds nothing to what `/wit` says.

use crate::bindings::zareba::plugin::{calls, env, tree, view};
use crate::{CallId, CreateMode, Fault, Parked, SessionId, Stat};

/// All that a plugin may do. Each function is the one of that name in `/wit`.
#[allow(
    clippy::missing_errors_doc,
    reason = "the contract says which faults there are"
)]
pub trait Host {
    /// A node's data and metadata.
    fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), Fault>;
    /// A node's metadata, or nothing.
    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault>;
    /// Names of children in order behind `after`, at most `limit`.
    fn children(
        &mut self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault>;
    /// The lowest name with that prefix.
    fn first_child(&mut self, path: &str, prefix: &str) -> Result<Option<String>, Fault>;
    /// How many children.
    fn count_children(&mut self, path: &str) -> Result<u64, Fault>;
    /// A new node; an ephemeral one is the caller's.
    fn create(&mut self, path: &str, data: &[u8], mode: CreateMode) -> Result<String, Fault>;
    /// A new ephemeral node for another session.
    fn create_owned(
        &mut self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        owner: SessionId,
    ) -> Result<String, Fault>;
    /// New data.
    fn set(&mut self, path: &str, data: &[u8], version: Option<u64>) -> Result<u64, Fault>;
    /// A node's end.
    fn delete(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault>;
    /// A fault unless the node is there in that version.
    fn check(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault>;
    /// Names this point of the call.
    fn savepoint(&mut self) -> Result<u32, Fault>;
    /// Takes back what was staged since.
    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault>;
    /// Answers a parked call.
    fn complete(&mut self, call: CallId, value: &[u8]) -> Result<(), Fault>;
    /// Fails a parked call.
    fn fail(&mut self, call: CallId, why: &Fault) -> Result<(), Fault>;
    /// Parked calls with that tag, in park order.
    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<Parked>, Fault>;
    /// Sets or moves an alarm.
    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault>;
    /// Takes an alarm back.
    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault>;
    /// The fencing token.
    fn transaction(&self) -> u64;
    /// The transaction's time.
    fn now(&self) -> u64;
    /// A number from this call's seed.
    fn random(&mut self) -> u64;
    /// What the operator set for this mount.
    fn config(&self, key: &str) -> Option<String>;
    /// True if that session is open.
    fn session_alive(&self, session: SessionId) -> bool;
    /// A line for the plugin's log.
    fn log(&mut self, level: u8, message: &str);
    /// Adds to a counter.
    fn count(&mut self, metric: &str, delta: u64);
    /// Records a measured value.
    fn observe(&mut self, metric: &str, value: f64);
}

/// The host that a component is linked to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Imported;

impl Host for Imported {
    fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), Fault> {
        view::get(path)
    }
    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        view::exists(path)
    }
    fn children(
        &mut self,
        path: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        view::children(path, after, limit)
    }
    fn first_child(&mut self, path: &str, prefix: &str) -> Result<Option<String>, Fault> {
        view::first_child(path, prefix)
    }
    fn count_children(&mut self, path: &str) -> Result<u64, Fault> {
        view::count_children(path)
    }
    fn create(&mut self, path: &str, data: &[u8], mode: CreateMode) -> Result<String, Fault> {
        tree::create(path, data, mode)
    }
    fn create_owned(
        &mut self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        owner: SessionId,
    ) -> Result<String, Fault> {
        tree::create_owned(path, data, mode, owner)
    }
    fn set(&mut self, path: &str, data: &[u8], version: Option<u64>) -> Result<u64, Fault> {
        tree::set(path, data, version)
    }
    fn delete(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        tree::delete(path, version)
    }
    fn check(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault> {
        tree::check(path, version)
    }
    fn savepoint(&mut self) -> Result<u32, Fault> {
        tree::savepoint()
    }
    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault> {
        tree::rollback_to(savepoint)
    }
    fn complete(&mut self, call: CallId, value: &[u8]) -> Result<(), Fault> {
        calls::complete(call, value)
    }
    fn fail(&mut self, call: CallId, why: &Fault) -> Result<(), Fault> {
        calls::fail(call, why)
    }
    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<Parked>, Fault> {
        calls::lookup(tag, after, limit)
    }
    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault> {
        calls::set_timer(tag, delay_ms)
    }
    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault> {
        calls::clear_timer(tag)
    }
    fn transaction(&self) -> u64 {
        env::transaction()
    }
    fn now(&self) -> u64 {
        env::now()
    }
    fn random(&mut self) -> u64 {
        env::random()
    }
    fn config(&self, key: &str) -> Option<String> {
        env::config(key)
    }
    fn session_alive(&self, session: SessionId) -> bool {
        env::session_alive(session)
    }
    fn log(&mut self, level: u8, message: &str) {
        env::log(level, message);
    }
    fn count(&mut self, metric: &str, delta: u64) {
        env::count(metric, delta);
    }
    fn observe(&mut self, metric: &str, value: f64) {
        env::observe(metric, value);
    }
}
