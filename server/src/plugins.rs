//! Compiles plugins on a thread of its own, off the request path. Must never run one.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::Receiver;
use sha2::Digest;
use zareba_model::Sha256;
use zareba_plugin_host::{CompileLimits, Compiled, PluginCompiler};

use crate::event::{Event, EventSenders};

/// A component that the host can run, or why it is refused.
pub(crate) type CompileResult = Result<Arc<Compiled>, String>;

/// A component to check and compile.
#[derive(Debug)]
pub(crate) struct CompileOrder {
    /// What the pieces together must hash to.
    pub(crate) sha256: Sha256,
    /// The component, in order.
    pub(crate) pieces: Vec<Bytes>,
}

/// Compiles what is ordered, one after the other, until nobody can order any more.
pub(crate) fn run(
    compiler: &PluginCompiler,
    orders: &Receiver<CompileOrder>,
    events: &EventSenders,
) {
    while let Ok(order) = orders.recv() {
        let sha256 = order.sha256;
        let result = assemble(&order).and_then(|component| {
            compiler
                .compile(sha256, &component, &CompileLimits::default())
                .map_err(|error| error.to_string())
        });
        match &result {
            Ok(compiled) => {
                tracing::info!(%sha256, bytes = compiled.size(), "a plugin is compiled")
            }
            Err(reason) => tracing::warn!(%sha256, reason, "a plugin is refused"),
        }
        events.tell(Event::Compiled { sha256, result });
    }
}

/// The component as it was pushed, or why it is not what its address says.
fn assemble(order: &CompileOrder) -> Result<Vec<u8>, String> {
    let component = order.pieces.concat();
    let found = Sha256(sha2::Sha256::digest(&component).into());
    if found != order.sha256 {
        return Err(format!(
            "the pushed bytes hash to {found}, but were announced as {}; push them again",
            order.sha256
        ));
    }
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::queues;

    fn order(pieces: &[&'static str]) -> CompileOrder {
        // The hash of "hello".
        let known = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        CompileOrder {
            sha256: Sha256::parse(known).unwrap(),
            pieces: pieces.iter().copied().map(Bytes::from).collect(),
        }
    }

    #[test]
    fn pieces_together_are_the_component() {
        assert_eq!(assemble(&order(&["he", "llo"])), Ok(b"hello".to_vec()));
    }

    #[test]
    fn pieces_with_another_hash_are_refused() {
        let refused = assemble(&order(&["he", "llO"])).unwrap_err();
        assert!(refused.contains("push them again"), "{refused}");
    }

    #[test]
    fn bytes_that_are_no_component_are_answered_with_a_reason() {
        let compiler = PluginCompiler::new().unwrap();
        let (sender, orders) = crossbeam_channel::unbounded();
        sender.send(order(&["hello"])).unwrap();
        drop(sender);
        let (events, receivers) = queues();
        run(&compiler, &orders, &events);
        let Some(Event::Compiled { result, .. }) = receivers.take_now().first.pop_front() else {
            panic!("expected an answer");
        };
        assert!(!result.unwrap_err().is_empty());
    }
}
