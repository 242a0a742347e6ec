//! The host's functions, one file for each interface of `/wit`, and what they share: counting,
//! and turning the kernel's nouns into the contract's. They must never decide what is allowed on a
//! node; the stage does.

mod calls;
mod env;
mod tree;
mod view;

use wasmtime::Result;
use zareba_model as model;
use zareba_replica::plugin::Stage;

use crate::bindings::zareba::plugin::types;
use crate::call::{Call, Mode};
use crate::clock::Moment;
use crate::limits::Stop;

impl types::Host for Call {}

impl Call {
    /// Counts a host call and lends the stage for reading.
    fn read<T>(
        &mut self,
        run: impl FnOnce(&mut dyn Stage) -> Result<T, model::Fault>,
    ) -> Result<Result<T, types::Fault>> {
        self.budget.host_call()?;
        self.measured(run)
    }

    /// Runs a host call on the stage, and perhaps measures how long it takes.
    fn measured<T>(
        &mut self,
        run: impl FnOnce(&mut dyn Stage) -> Result<T, model::Fault>,
    ) -> Result<Result<T, types::Fault>> {
        let begun = self.host_ns.map(|_| Moment::now());
        let result = run(self.stage()?).map_err(fault);
        if let (Some(ns), Some(begun)) = (&mut self.host_ns, begun) {
            *ns += begun.elapsed_ns();
        }
        Ok(result)
    }

    /// Counts a host call and a staged change, and lends the stage unless this is a query.
    fn write<T>(
        &mut self,
        bytes: usize,
        run: impl FnOnce(&mut dyn Stage) -> Result<T, model::Fault>,
    ) -> Result<Result<T, types::Fault>> {
        self.budget.host_call()?;
        if self.mode == Mode::Query {
            let why = "a query writes nothing; declare the operation as a command";
            return Ok(Err(fault(model::Fault::new(
                model::ErrorCode::BadArguments,
                why,
            ))));
        }
        self.budget.op(bytes)?;
        self.measured(run)
    }

    fn stage(&mut self) -> Result<&mut dyn Stage> {
        match &mut self.stage {
            Some(stage) => Ok(stage.as_mut()),
            None => Err(Stop::Describing.into()),
        }
    }
}

pub(crate) fn fault(fault: model::Fault) -> types::Fault {
    types::Fault {
        code: fault.code.number(),
        message: fault.message,
    }
}

fn stat(stat: model::Stat) -> types::Stat {
    types::Stat {
        czxid: stat.czxid.to_u64(),
        mzxid: stat.mzxid.to_u64(),
        pzxid: stat.pzxid.to_u64(),
        ctime: stat.ctime,
        mtime: stat.mtime,
        version: stat.version,
        cversion: stat.cversion,
        aversion: stat.aversion,
        ephemeral_owner: stat.lifetime.owner().0,
        data_length: stat.data_length,
        num_children: stat.num_children,
    }
}
