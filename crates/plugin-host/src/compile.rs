//! From bytes to a component that can be called: what is checked before anything of it runs, and
//! its description. Runs on any thread for as long as it takes; must never see a node.

use std::collections::BTreeSet;
use std::fmt;

use wasmtime::component::Component;
use zareba_model::{Limits, OpDescription, PluginDescription, WatchDescription, limits};

use crate::bindings::PluginPre;
use crate::bindings::exports::zareba::plugin::guest;
use crate::call::{self, Call};
use crate::engine::{PluginEngine, TABLE_ELEMENTS_MAX};
use crate::error::CompileError;
use crate::instance::Instance;

/// Operations of one plugin.
const OPS_MAX: usize = 256;
/// Patterns that one plugin watches.
const WATCHES_MAX: usize = 64;
/// All of a description's texts, bytes: it is replicated with the revision.
const DESCRIPTION_BYTES_MAX: usize = 64 << 10;
/// Core modules' memories in one component: an interpreter and its adapters have three.
const MEMORIES_MAX: u64 = 4;
const WASM_PAGE_BYTES: u64 = 64 << 10;

/// Bounds on a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Its size.
    pub component_bytes_max: u64,
    /// Memory it has before its first call, and while it describes itself.
    pub memory_bytes_max: u64,
    /// How long it may take to describe itself.
    pub describe_ms_max: u32,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            component_bytes_max: limits::COMPONENT_BYTES_MAX,
            memory_bytes_max: Limits::default().memory_bytes_max,
            describe_ms_max: 1000,
        }
    }
}

/// A component that can be called.
pub struct Compiled {
    pub(crate) pre: PluginPre<Call>,
    description: PluginDescription,
    size: u64,
}

impl Compiled {
    /// What it says of itself.
    pub fn description(&self) -> &PluginDescription {
        &self.description
    }

    /// Bytes of the component.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("description", &self.description)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Checks and compiles a component, and asks it to describe itself. Takes from milliseconds to
/// seconds: call it off the request path.
pub fn compile(
    engine: &PluginEngine,
    bytes: &[u8],
    limits: &CompileLimits,
) -> Result<Compiled, CompileError> {
    let size = bytes.len() as u64;
    if size > limits.component_bytes_max {
        let max = limits.component_bytes_max;
        return Err(CompileError::TooLarge { size, max });
    }
    if bytes.starts_with(b"\0asm\x01\0\0\0") {
        return Err(CompileError::CoreModule);
    }
    let component = Component::from_binary(&engine.engine, bytes)
        .map_err(|e| CompileError::Invalid(format!("{e:#}")))?;
    check_imports(engine, &component)?;
    check_resources(&component, limits)?;
    let pre = engine
        .linker
        .instantiate_pre(&component)
        .map_err(|e| CompileError::Unlinkable(format!("{e:#}")))?;
    let pre = PluginPre::new(pre).map_err(|e| CompileError::NoGuest(format!("{e:#}")))?;
    let description = describe(engine, &pre, limits)?;
    Ok(Compiled {
        pre,
        description,
        size,
    })
}

/// Nothing but the contract, in any version of its first generation.
fn check_imports(engine: &PluginEngine, component: &Component) -> Result<(), CompileError> {
    let component = component.component_type();
    for (import, _) in component.imports(&engine.engine) {
        let ours = import
            .strip_prefix("zareba:plugin/")
            .and_then(|rest| rest.split_once('@'))
            .is_some_and(|(_, version)| version.starts_with("1."));
        if !ours {
            let import = import.to_owned();
            return Err(CompileError::ForeignImport { import });
        }
    }
    Ok(())
}

fn check_resources(component: &Component, limits: &CompileLimits) -> Result<(), CompileError> {
    // Unknown only for components that import modules, which the imports' check has refused.
    let Some(needs) = component.resources_required() else {
        return Ok(());
    };
    let pages = needs.max_initial_memory_size.unwrap_or(0);
    let bounds = [
        (
            "an initial memory",
            pages.saturating_mul(WASM_PAGE_BYTES),
            limits.memory_bytes_max,
        ),
        (
            "a number of memories",
            needs.num_memories.into(),
            MEMORIES_MAX,
        ),
        (
            "an initial table",
            needs.max_initial_table_size.unwrap_or(0),
            TABLE_ELEMENTS_MAX as u64,
        ),
    ];
    for (what, needed, max) in bounds {
        if needed > max {
            return Err(CompileError::Resources { what, needed, max });
        }
    }
    Ok(())
}

fn describe(
    engine: &PluginEngine,
    pre: &PluginPre<Call>,
    compile_limits: &CompileLimits,
) -> Result<PluginDescription, CompileError> {
    let limits = Limits {
        memory_bytes_max: compile_limits.memory_bytes_max,
        time_ms_max: compile_limits.describe_ms_max,
        ..Limits::default()
    };
    let failed = |error: &wasmtime::Error, mut call: Call| {
        let failure = call::classify(error, &limits, call.last_words.take());
        CompileError::Describe(failure_text(failure))
    };
    let _running = engine.ticker.run();
    let mut instance = Instance::new(engine, pre, &limits, Call::describing(limits))
        .map_err(|both| failed(&both.0, both.1))?;
    let guest = instance.bindings.zareba_plugin_guest();
    match guest.call_describe(&mut instance.store) {
        Ok(said) => check_description(said),
        Err(error) => Err(failed(&error, instance.store.into_data())),
    }
}

fn failure_text(failure: zareba_replica::plugin::GuestFailure) -> String {
    use zareba_replica::plugin::GuestFailure::{Broken, Fault};
    match failure {
        Broken(fault) | Fault(fault) => fault.message,
    }
}

fn check_description(said: guest::Description) -> Result<PluginDescription, CompileError> {
    let bad = |why: String| Err(CompileError::BadDescription(why));
    if said.ops.len() > OPS_MAX || said.watches.len() > WATCHES_MAX {
        return bad(format!(
            "{} operations and {} watches; at most {OPS_MAX} and {WATCHES_MAX}",
            said.ops.len(),
            said.watches.len()
        ));
    }
    let texts =
        |op: &guest::OpInfo| op.name.len() + op.doc.len() + op.input.len() + op.output.len();
    let bytes = said.doc.len()
        + said.ops.iter().map(texts).sum::<usize>()
        + said.watches.iter().map(|w| w.pattern.len()).sum::<usize>();
    if bytes > DESCRIPTION_BYTES_MAX {
        return bad(format!(
            "{bytes} bytes of text; at most {DESCRIPTION_BYTES_MAX}"
        ));
    }
    let mut names = BTreeSet::new();
    for op in &said.ops {
        if op.name.is_empty() || !names.insert(&op.name) {
            return bad(format!(
                "operation {:?} is nameless or there twice",
                op.name
            ));
        }
        if op.read_only && op.may_park {
            return bad(format!("operation {:?} is a query that parks", op.name));
        }
    }
    Ok(PluginDescription {
        state_version: said.state_version,
        doc: said.doc,
        ops: said.ops.into_iter().map(op).collect(),
        watches: said.watches.into_iter().map(watch).collect(),
    })
}

fn op(op: guest::OpInfo) -> OpDescription {
    OpDescription {
        name: op.name,
        read_only: op.read_only,
        may_park: op.may_park,
        doc: op.doc,
        input: op.input,
        output: op.output,
    }
}

fn watch(watch: guest::WatchInfo) -> WatchDescription {
    WatchDescription {
        pattern: watch.pattern,
        kinds: watch.kinds,
    }
}
