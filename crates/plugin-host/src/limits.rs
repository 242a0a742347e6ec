//! What a call has left of its bounds. Going over one ends the guest; it must never become a fault
//! that the guest could ignore.

use thiserror::Error;
use wasmtime::ResourceLimiter;
use zareba_model::Limits;

use crate::engine::TABLE_ELEMENTS_MAX;

/// Why the host ended a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Stop {
    /// A bound of the mount.
    #[error("went over the {what} limit of {max}")]
    Over {
        /// Which.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// `describe` called the host.
    #[error("describe may not call the host")]
    Describing,
}

impl Stop {
    /// What the caller can do about it, to follow the reason.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Over { .. } => "; do less in one call, or mount it with a higher limit",
            Self::Describing => "",
        }
    }
}

/// Counters of one call.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    host_calls: u32,
    ops: u32,
    bytes: u64,
    log_lines: u32,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            host_calls: 0,
            ops: 0,
            bytes: 0,
            log_lines: 0,
        }
    }

    /// What it has used: host calls, staged changes, bytes.
    pub(crate) fn used(&self) -> (u32, u32, u64) {
        (self.host_calls, self.ops, self.bytes)
    }

    /// One more call of the host.
    pub(crate) fn host_call(&mut self) -> Result<(), Stop> {
        self.host_calls += 1;
        within(
            "host-call",
            self.host_calls.into(),
            self.limits.host_calls_max,
        )
    }

    /// One more staged change with so much data.
    pub(crate) fn op(&mut self, bytes: usize) -> Result<(), Stop> {
        self.ops += 1;
        within("op", self.ops.into(), self.limits.ops_max)?;
        self.bytes(bytes)
    }

    /// So much more data that others will have to keep.
    pub(crate) fn bytes(&mut self, bytes: usize) -> Result<(), Stop> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        within("byte", self.bytes, self.limits.bytes_max)
    }

    /// One more log line: how many there are now, and how many there may be.
    pub(crate) fn log_line(&mut self) -> (u32, u32) {
        self.log_lines = self.log_lines.saturating_add(1);
        (self.log_lines, self.limits.log_lines_max)
    }
}

fn within(what: &'static str, used: u64, max: u32) -> Result<(), Stop> {
    let max = u64::from(max);
    if used > max {
        return Err(Stop::Over { what, max });
    }
    Ok(())
}

/// The bound on an instance's memory and tables. Growing over it ends the guest with a reason,
/// instead of a failed allocation whose cause nobody sees.
#[derive(Debug)]
pub(crate) struct MemoryBound {
    pub(crate) bytes_max: u64,
    /// What all memories of the instance have.
    pub(crate) bytes: u64,
}

impl ResourceLimiter for MemoryBound {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired as u64 > self.bytes_max {
            let (what, max) = ("memory", self.bytes_max);
            return Err(Stop::Over { what, max }.into());
        }
        self.bytes += desired.saturating_sub(current) as u64;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            let (what, max) = ("table", TABLE_ELEMENTS_MAX as u64);
            return Err(Stop::Over { what, max }.into());
        }
        Ok(true)
    }
}
