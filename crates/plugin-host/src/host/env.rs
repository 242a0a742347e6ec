//! `env`: what a guest can know besides its nodes. Must never read a clock or a random source.

use wasmtime::Result;
use zareba_model::SessionId;

use crate::bindings::zareba::plugin::env::Host;
use crate::call::{Call, cut};

/// Longest log line, bytes; the rest is cut.
const LOG_LINE_BYTES_MAX: usize = 1024;
/// The least urgent level there is.
const LEVEL_MAX: u8 = 4;

impl Host for Call {
    fn transaction(&mut self) -> Result<u64> {
        self.budget.host_call()?;
        Ok(self.stage_ref()?.transaction().to_u64())
    }

    fn now(&mut self) -> Result<u64> {
        self.budget.host_call()?;
        Ok(self.stage_ref()?.now())
    }

    fn random(&mut self) -> Result<u64> {
        self.budget.host_call()?;
        self.stage_ref()?;
        Ok(self.next_random())
    }

    fn config(&mut self, key: String) -> Result<Option<String>> {
        self.budget.host_call()?;
        Ok(self.stage_ref()?.config(&key))
    }

    fn session_alive(&mut self, session: u64) -> Result<bool> {
        self.budget.host_call()?;
        Ok(self.stage_ref()?.session_alive(SessionId(session)))
    }

    fn log(&mut self, level: u8, message: String) -> Result<()> {
        let line = cut(message, LOG_LINE_BYTES_MAX);
        let (count, max) = self.budget.log_line();
        if let Some(stage) = &mut self.stage {
            if count <= max {
                stage.log(level.min(LEVEL_MAX), &line);
            } else if count == max.saturating_add(1) {
                stage.log(2, "further lines of this call are dropped");
            }
        }
        // Kept even when dropped from the log: before a trap, they are its reason.
        if level <= 1 {
            self.last_words = Some(line);
        }
        // Counted last, so that a guest that is out of host calls can still say why it panics.
        Ok(self.budget.host_call()?)
    }

    fn count(&mut self, metric: String, delta: u64) -> Result<()> {
        self.budget.host_call()?;
        self.metrics.push((metric, delta as f64));
        Ok(())
    }

    fn observe(&mut self, metric: String, value: f64) -> Result<()> {
        self.budget.host_call()?;
        self.metrics.push((metric, value));
        Ok(())
    }
}
