//! One guest's memory and how long it may run. Must never know what it is asked.

use wasmtime::{Store, UpdateDeadline};
use zareba_model::Limits;

use crate::bindings::{Plugin, PluginPre};
use crate::call::Call;
use crate::clock::{self, Allowance};
use crate::engine::PluginEngine;

/// What a guest may hand over in one call of the host beyond the mount's byte limit, so that the
/// limit itself is what a guest meets first.
const HOSTCALL_BYTES_SPARE: usize = 1 << 20;

/// A guest that can be entered.
pub(crate) struct Instance {
    pub(crate) store: Store<Call>,
    pub(crate) bindings: Plugin,
}

impl Instance {
    /// A fresh one. If it does not come to be, the call's data comes back with the reason.
    pub(crate) fn new(
        engine: &PluginEngine,
        pre: &PluginPre<Call>,
        limits: &Limits,
        call: Call,
    ) -> Result<Self, Box<(wasmtime::Error, Call)>> {
        let mut store = Store::new(&engine.engine, call);
        store.limiter(|call| &mut call.memory);
        store.epoch_deadline_callback(|mut context| {
            let next = context
                .data_mut()
                .allowance
                .next_slice(clock::thread_time());
            Ok(next.map_or(UpdateDeadline::Interrupt, UpdateDeadline::Continue))
        });
        // A start function is guest code too.
        bound(&mut store, limits);
        match pre.instantiate(&mut store) {
            Ok(bindings) => Ok(Self { store, bindings }),
            Err(error) => Err(Box::new((error, store.into_data()))),
        }
    }

    /// Makes a used one ready for another call.
    pub(crate) fn renew(&mut self, limits: &Limits, call: Call) {
        let bytes = self.memory_bytes();
        *self.store.data_mut() = call;
        self.store.data_mut().memory.bytes = bytes;
        bound(&mut self.store, limits);
    }

    /// What its memories have together.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().memory.bytes
    }
}

fn bound(store: &mut Store<Call>, limits: &Limits) {
    let allowance = Allowance::new(limits.time_ms_max);
    store.set_epoch_deadline(allowance.first_slice());
    store.data_mut().allowance = allowance;
    store.set_hostcall_fuel((limits.bytes_max as usize).saturating_add(HOSTCALL_BYTES_SPARE));
}
