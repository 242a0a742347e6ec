//! The host that the replica calls: compiled components by content, and the instances kept warm.
//! Must never know a plugin's name or mount.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zareba_model::{ErrorCode, Fault, GuestCost, GuestMetric, PluginDescription, Sha256};
use zareba_replica::plugin::{
    GuestAnswer, GuestEntry, GuestFailure, Invocation, PluginRuntime, Ran, Stage,
};

use crate::call::{self, Call};
use crate::clock::Moment;
use crate::compile::Compiled;
use crate::engine::PluginEngine;
use crate::instance::Instance;
use crate::metrics::Metrics;

/// Instances kept for reuse at once; each holds its memory.
const WARM_MAX: usize = 16;

/// One run of so many has its host calls timed: looking at the clock costs as much as a small one.
const HOST_TIMED: u64 = 16;

/// Runs guests for one replica, on its thread.
pub struct PluginHost {
    engine: PluginEngine,
    compiled: BTreeMap<Sha256, Compiled>,
    warm: BTreeMap<Sha256, Instance>,
    metrics: BTreeMap<Sha256, Metrics>,
    /// Runs so far.
    runs: u64,
}

impl PluginHost {
    /// A host without guests.
    pub fn new(engine: PluginEngine) -> Self {
        Self {
            engine,
            compiled: BTreeMap::new(),
            warm: BTreeMap::new(),
            metrics: BTreeMap::new(),
            runs: 0,
        }
    }

    /// Makes a component callable. `sha256` is the hash of the bytes that were compiled.
    pub fn install(&mut self, sha256: Sha256, compiled: Compiled) {
        self.warm.remove(&sha256);
        self.compiled.insert(sha256, compiled);
    }

    /// What a component says of itself.
    pub fn description(&self, sha256: &Sha256) -> Option<&PluginDescription> {
        self.compiled.get(sha256).map(Compiled::description)
    }

    /// How many instances are kept warm.
    pub fn warm_count(&self) -> usize {
        self.warm.len()
    }

    /// The answer, the call's data, and the instance if it may be used again.
    fn run(
        &mut self,
        invocation: &Invocation,
        call: Call,
        cost: &mut GuestCost,
    ) -> (Call, Run, Option<Instance>) {
        let begun = Moment::now();
        let limits = &invocation.limits;
        let Some(compiled) = self.compiled.get(&invocation.revision) else {
            return (call, Err(not_ready(&invocation.revision)), None);
        };
        let warm = match limits.warm {
            true => self.warm.remove(&invocation.revision),
            false => None,
        };
        let mut instance = match warm {
            Some(mut instance) => {
                instance.renew(limits, call);
                instance
            }
            None => match Instance::new(&self.engine, &compiled.pre, limits, call) {
                Ok(instance) => instance,
                Err(failed) => {
                    let (error, mut call) = *failed;
                    let failure = call::classify(&error, limits, call.last_words.take());
                    return (call, Err(failure), None);
                }
            },
        };
        cost.instantiate_ns = begun.elapsed_ns();
        let entered = Moment::now();
        let left = call::enter(&mut instance, invocation);
        cost.guest_ns = entered.elapsed_ns();
        match left {
            Ok(answer) => {
                let answer = answer.and_then(|answer| {
                    call::check_answer(&answer, limits)?;
                    check_promise(&answer, invocation, compiled.description())?;
                    Ok(answer)
                });
                let mut rest = Call::describing(*limits);
                rest.memory.bytes = instance.store.data().memory.bytes;
                let call = std::mem::replace(instance.store.data_mut(), rest);
                (call, answer, Some(instance))
            }
            Err(error) => {
                let mut call = instance.store.into_data();
                let failure = call::classify(&error, limits, call.last_words.take());
                (call, Err(failure), None)
            }
        }
    }
}

type Run = Result<GuestAnswer, GuestFailure>;

impl PluginRuntime for PluginHost {
    fn is_ready(&self, revision: &Sha256) -> bool {
        self.compiled.contains_key(revision)
    }

    fn forget(&mut self, revision: &Sha256) {
        self.warm.remove(revision);
        self.compiled.remove(revision);
        self.metrics.remove(revision);
    }

    fn metrics(&self, revision: &Sha256) -> Vec<GuestMetric> {
        let known = self.metrics.get(revision);
        known.map(Metrics::to_vec).unwrap_or_default()
    }

    fn invoke(&mut self, invocation: &Invocation, stage: Box<dyn Stage>) -> Ran {
        let ticker = Arc::clone(&self.engine.ticker);
        let running = ticker.run();
        let mut call = Call::new(invocation, stage);
        if self.runs.is_multiple_of(HOST_TIMED) {
            call.host_ns = Some(0);
        }
        self.runs += 1;
        let mut cost = GuestCost::default();
        let (mut call, result, instance) = self.run(invocation, call, &mut cost);
        drop(running);
        cost.host_ns = call.host_ns;
        cost.memory_bytes = call.memory.bytes;
        (cost.host_calls, cost.changes, cost.bytes) = call.budget.used();
        if let Some(instance) = instance
            && invocation.limits.warm
            && self.warm.len() < WARM_MAX
        {
            self.warm.insert(invocation.revision, instance);
        }
        if !call.metrics.is_empty() {
            let metrics = self.metrics.entry(invocation.revision).or_default();
            for (name, value) in call.metrics.drain(..) {
                metrics.record(name, value);
            }
        }
        // Invariant: a call is made with a stage, and host functions only borrow it.
        let Some(stage) = call.stage.take() else {
            unreachable!("a call's stage is taken here alone");
        };
        Ran {
            stage,
            result,
            cost,
        }
    }
}

impl fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHost")
            .field("engine", &self.engine)
            .field("compiled", &self.compiled.keys())
            .field("warm", &self.warm.keys())
            .finish_non_exhaustive()
    }
}

fn not_ready(revision: &Sha256) -> GuestFailure {
    let message = format!("revision {revision} is not compiled here yet; try again");
    GuestFailure::Fault(Fault::new(ErrorCode::PluginNotReady, message))
}

/// Clients choose their time-outs by the description: what is not said to park must not.
fn check_promise(
    answer: &GuestAnswer,
    invocation: &Invocation,
    description: &PluginDescription,
) -> Result<(), GuestFailure> {
    let (GuestAnswer::Park { .. }, GuestEntry::Command { op, .. }) = (answer, &invocation.entry)
    else {
        return Ok(());
    };
    if description.op(op).is_some_and(|op| op.may_park) {
        return Ok(());
    }
    let message = format!("operation {op:?} parked, but its description does not say that it may");
    Err(GuestFailure::Broken(Fault::new(
        ErrorCode::PluginTrap,
        message,
    )))
}
