//! The port through which `prepare` runs guests: what a guest may see and stage, and what comes
//! back. Knows nothing of WebAssembly.

use std::any::Any;
use std::fmt;

use bytes::Bytes;
pub use zareba_model::GuestEvent;
use zareba_model::{
    CallId, CreateMode, Fault, GuestCost, GuestMetric, Limits, Principal, SessionId, Sha256, Stat,
    Zxid,
};

/// Runs guests. The server's is a WebAssembly host, the simulator's a native table.
pub trait PluginRuntime {
    /// True if that revision is compiled and can be called at once.
    fn is_ready(&self, revision: &Sha256) -> bool;

    /// A revision's component is kept no more.
    fn forget(&mut self, _revision: &Sha256) {}

    /// Runs one call to its end. The stage is lent by value and always comes back; after a failure
    /// its caller rolls it back.
    fn invoke(&mut self, invocation: &Invocation, stage: Box<dyn Stage>) -> Ran;

    /// What a revision counts and observes itself.
    fn metrics(&self, _revision: &Sha256) -> Vec<GuestMetric> {
        Vec::new()
    }
}

/// What a run came to.
pub struct Ran {
    /// The stage that was lent.
    pub stage: Box<dyn Stage>,
    /// What the guest answered.
    pub result: Result<GuestAnswer, GuestFailure>,
    /// What it took.
    pub cost: GuestCost,
}

impl Ran {
    /// A run that took nothing worth counting.
    pub fn free(stage: Box<dyn Stage>, result: Result<GuestAnswer, GuestFailure>) -> Self {
        let cost = GuestCost::default();
        Self {
            stage,
            result,
            cost,
        }
    }
}

impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ran")
            .field("result", &self.result)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

/// One call of a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// Which build.
    pub revision: Sha256,
    /// Under which bounds.
    pub limits: Limits,
    /// Who causes it.
    pub caller: Caller,
    /// Seed of the guest's random numbers.
    pub seed: u64,
    /// Which of the guest's functions, with its input.
    pub entry: GuestEntry,
}

/// Who causes a guest to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The session, or none for the system.
    pub session: SessionId,
    /// The client's identities.
    pub principals: Vec<Principal>,
    /// The id that this call has if it parks.
    pub call: CallId,
}

/// A guest's function and its input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum GuestEntry {
    /// Reads only.
    Query { op: String, input: Bytes },
    /// May write.
    Command { op: String, input: Bytes },
    /// Reacts.
    Event(Vec<GuestEvent>),
    /// New code meets nodes of an older layout.
    Migrate { stored: u32 },
}

/// What a guest answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestAnswer {
    /// Done; the value for the caller (empty for events and migrations).
    Done(Bytes),
    /// The command is answered later.
    Park {
        /// What it waits for.
        tag: String,
        /// It fails by itself after so long, milliseconds.
        timeout_ms: Option<u64>,
    },
}

/// Why nothing of a guest's call remains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestFailure {
    /// The guest refused in its own words; its code is above 0 or one of ours.
    Fault(Fault),
    /// The guest trapped, ran out of time, or went over a limit: a bug or an attack.
    Broken(Fault),
}

/// What a guest sees and stages during one call. Paths are relative to the mount, without a
/// leading slash; the empty path is the mount itself. Faults carry ZooKeeper's codes.
pub trait Stage: Any + Send {
    /// Data and stat.
    fn get(&mut self, path: &str) -> Result<(Bytes, Stat), Fault>;
    /// Stat or nothing.
    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault>;
    /// Names in order behind `after`, at most `limit`.
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
    /// Stages a node and returns its final relative path. `owner` is the caller's session if
    /// `None` and the mode is ephemeral.
    fn create(
        &mut self,
        path: &str,
        data: Bytes,
        mode: CreateMode,
        owner: Option<SessionId>,
    ) -> Result<String, Fault>;
    /// Stages new data and returns the new version.
    fn set(&mut self, path: &str, data: Bytes, version: Option<u64>) -> Result<u64, Fault>;
    /// Stages a node's end.
    fn delete(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault>;
    /// Refuses unless the node is there in that version.
    fn check(&mut self, path: &str, version: Option<u64>) -> Result<(), Fault>;
    /// Names this point of the call.
    fn savepoint(&mut self) -> Result<u32, Fault>;
    /// Takes back what was staged since that point.
    fn rollback_to(&mut self, savepoint: u32) -> Result<(), Fault>;
    /// Answers a parked call of this mount.
    fn complete(&mut self, call: CallId, value: Bytes) -> Result<(), Fault>;
    /// Fails a parked call of this mount.
    fn fail(&mut self, call: CallId, why: Fault) -> Result<(), Fault>;
    /// Parked calls with that tag, in park order, behind `after`, at most `limit`.
    fn lookup(&mut self, tag: &str, after: CallId, limit: u32) -> Result<Vec<ParkedView>, Fault>;
    /// Sets or moves a timer.
    fn set_timer(&mut self, tag: &str, delay_ms: u64) -> Result<(), Fault>;
    /// Takes a timer back.
    fn clear_timer(&mut self, tag: &str) -> Result<(), Fault>;
    /// The zxid this call's transaction will have: the fencing token. In a query: the last
    /// applied.
    fn transaction(&self) -> Zxid;
    /// Transaction time, milliseconds since the Unix epoch.
    fn now(&self) -> u64;
    /// A value of the mount's config.
    fn config(&self, key: &str) -> Option<String>;
    /// True if that session is alive.
    fn session_alive(&self, session: SessionId) -> bool;
    /// A line for the plugin's log; kept even if the call fails.
    fn log(&mut self, level: u8, message: &str);
    /// Gives the lender its own type back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// A parked call as a guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedView {
    /// Its id.
    pub id: CallId,
    /// Whose it is.
    pub session: SessionId,
    /// The operation.
    pub op: String,
    /// Its tag.
    pub tag: String,
    /// When it parked, milliseconds since the Unix epoch.
    pub since: u64,
}
