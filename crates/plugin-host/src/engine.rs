//! The WebAssembly engine: which features guests may use, where their memory comes from, what is
//! linked. It must never know a guest or a call.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy,
};

use crate::bindings::Plugin;
use crate::call::Call;
use crate::clock::Ticker;
use crate::error::EngineError;

/// Instances alive at once, for all servers of a process: one call of each runs, the rest are warm ones, 64 of each
/// server at most, and compilations that describe. One that is not alive costs address space only.
const INSTANCES_MAX: u32 = 256;
/// Core instances, memories and tables at once; a component of another language's has several.
const PARTS_MAX: u32 = 4 * INSTANCES_MAX;
/// Entries of one table; interpreters need some thousands.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Native stack of a guest, bytes; Rust guests keep their data elsewhere.
const WASM_STACK_BYTES_MAX: usize = 512 << 10;
/// Memory that stays mapped for the next fresh instance, bytes, if only touched pages are cleared.
const KEEP_RESIDENT_SCANNED: usize = 1 << 20;
/// The same if all of it is cleared.
const KEEP_RESIDENT_CLEARED: usize = 128 << 10;

/// Compiles and runs guests. A clone is the same engine.
#[derive(Clone)]
pub struct PluginEngine {
    pub(crate) engine: Engine,
    pub(crate) linker: Arc<Linker<Call>>,
    pub(crate) ticker: Arc<Ticker>,
    pooled: bool,
}

impl PluginEngine {
    /// Starts the engine and its ticker, which ends with the last clone.
    pub fn new() -> Result<Self, EngineError> {
        let (engine, pooled) = start()?;
        let ticker = Arc::new(Ticker::start(engine.weak())?);
        let mut linker = Linker::new(&engine);
        Plugin::add_to_linker::<_, HasSelf<Call>>(&mut linker, |call| call)
            .map_err(|e| EngineError::Engine(format!("{e:#}")))?;
        Ok(Self {
            engine,
            linker: Arc::new(linker),
            ticker,
            pooled,
        })
    }

    /// True if instances come from a pool, which makes a fresh one several times cheaper.
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }
}

impl fmt::Debug for PluginEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginEngine")
            .field("pooled", &self.pooled)
            .finish_non_exhaustive()
    }
}

/// The best this machine offers: a pool that clears touched pages, a pool that clears them all, no
/// pool.
fn start() -> Result<(Engine, bool), EngineError> {
    let scanned = pool(KEEP_RESIDENT_SCANNED, Enabled::Yes);
    let cleared = pool(KEEP_RESIDENT_CLEARED, Enabled::No);
    for pool in [scanned, cleared] {
        let mut config = config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        match Engine::new(&config) {
            Ok(engine) => return Ok((engine, true)),
            Err(e) => tracing::debug!("no pool of this kind for plugins: {e:#}"),
        }
    }
    tracing::warn!("no pool for plugins on this machine; fresh instances will be slower");
    match Engine::new(&config()) {
        Ok(engine) => Ok((engine, false)),
        Err(e) => Err(EngineError::Engine(format!("{e:#}"))),
    }
}

/// What guests may use: deterministic features only, no threads, no garbage collector, no async.
fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .concurrency_support(false)
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config
}

fn pool(keep_resident: usize, scan: Enabled) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(PARTS_MAX)
        .total_memories(INSTANCES_MAX)
        .total_tables(PARTS_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(8)
        .linear_memory_keep_resident(keep_resident)
        .table_keep_resident(64 << 10)
        .pagemap_scan(scan);
    pool
}
