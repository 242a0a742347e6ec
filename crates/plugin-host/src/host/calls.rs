//! `calls`: parked calls and timers. Must never answer anybody itself.

use wasmtime::Result;
use zareba_model::{self as model, CallId, ErrorCode};

use crate::bindings::zareba::plugin::calls::{Host, Parked};
use crate::bindings::zareba::plugin::types::Fault;
use crate::call::Call;

impl Host for Call {
    fn complete(&mut self, call: u64, value: Vec<u8>) -> Result<Result<(), Fault>> {
        self.write(value.len(), |stage| {
            stage.complete(CallId(call), value.into())
        })
    }

    fn fail(&mut self, call: u64, why: Fault) -> Result<Result<(), Fault>> {
        self.write(why.message.len(), |stage| {
            let code = ErrorCode::from_number(why.code);
            stage.fail(CallId(call), model::Fault::new(code, why.message))
        })
    }

    fn lookup(
        &mut self,
        tag: String,
        after: u64,
        limit: u32,
    ) -> Result<Result<Vec<Parked>, Fault>> {
        self.read(|stage| {
            let calls = stage.lookup(&tag, CallId(after), limit)?;
            Ok(calls.into_iter().map(parked).collect())
        })
    }

    fn set_timer(&mut self, tag: String, delay: u64) -> Result<Result<(), Fault>> {
        self.write(tag.len(), |stage| stage.set_timer(&tag, delay))
    }

    fn clear_timer(&mut self, tag: String) -> Result<Result<(), Fault>> {
        self.write(tag.len(), |stage| stage.clear_timer(&tag))
    }
}

fn parked(call: zareba_replica::plugin::ParkedView) -> Parked {
    Parked {
        id: call.id.0,
        session: call.session.0,
        op: call.op,
        tag: call.tag,
        since: call.since,
    }
}
