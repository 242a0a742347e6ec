//! Components compiled once for all servers of a process. Must never run one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use zareba_model::Sha256;

use crate::compile::{CompileLimits, Compiled, compile};
use crate::engine::PluginEngine;
use crate::error::{CompileError, EngineError};

/// An engine and what it has compiled, as long as anybody has it. A clone is the same compiler.
#[derive(Clone)]
pub struct PluginCompiler {
    engine: PluginEngine,
    compiled: Arc<Mutex<BTreeMap<Sha256, Weak<Compiled>>>>,
}

impl PluginCompiler {
    /// One with an engine of its own.
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self {
            engine: PluginEngine::new()?,
            compiled: Arc::default(),
        })
    }

    /// The engine that runs what is compiled here.
    pub fn engine(&self) -> &PluginEngine {
        &self.engine
    }

    /// The component of that hash. Takes from milliseconds to seconds, the first time; one is compiled after
    /// the other, for each takes all processors.
    pub fn compile(
        &self,
        sha256: Sha256,
        bytes: &[u8],
        limits: &CompileLimits,
    ) -> Result<Arc<Compiled>, CompileError> {
        // Whoever panicked has left the table whole: it is changed only once all is done.
        let known = self.compiled.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known.get(&sha256).and_then(Weak::upgrade) {
            return Ok(compiled);
        }
        let compiled = Arc::new(compile(&self.engine, bytes, limits)?);
        known.retain(|_, compiled| compiled.strong_count() > 0);
        known.insert(sha256, Arc::downgrade(&compiled));
        Ok(compiled)
    }
}

impl fmt::Debug for PluginCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginCompiler")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_compiled_once_for_as_long_as_anybody_has_it() {
        let bytes = include_bytes!("../../../tests/guests/dist/fixtures.wasm");
        let (sha256, limits) = (Sha256([1; 32]), CompileLimits::default());
        let compiler = PluginCompiler::new().unwrap();
        let one = compiler.compile(sha256, bytes, &limits).unwrap();
        let other = compiler.clone().compile(sha256, b"", &limits).unwrap();
        assert!(Arc::ptr_eq(&one, &other));
        drop((one, other));
        assert!(compiler.compile(sha256, b"", &limits).is_err());
    }
}
