//! Plugins' components on this server: handed to the compiler once each, and announced to the
//! leader when they can be run.

use zareba_model::{PluginDescription, Relay, Sha256};
use zareba_zab::Role;

use super::Replica;
use crate::output::Output;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Replica<P> {
    /// Hands complete components to the compiler, each once.
    pub(super) fn compile_new(&mut self, outputs: &mut Vec<Output>) {
        for (sha256, component) in self.world.tree.components() {
            if component.is_complete() && self.compiling.insert(*sha256) {
                let pieces = component.chunks().map(|(_, piece)| piece.clone()).collect();
                outputs.push(Output::Compile {
                    sha256: *sha256,
                    pieces,
                });
            }
        }
    }

    pub(super) fn on_compiled(
        &mut self,
        sha256: Sha256,
        result: Result<PluginDescription, String>,
        outputs: &mut Vec<Output>,
    ) {
        self.compiled.insert(sha256, result);
        self.announce_ready(outputs);
    }

    /// Tells the leader which components this server can run.
    pub(super) fn announce_ready(&mut self, outputs: &mut Vec<Output>) {
        let revisions: Vec<_> = self
            .compiled
            .iter()
            .filter(|(_, result)| result.is_ok())
            .map(|(sha256, _)| *sha256)
            .collect();
        if self.role != Role::Looking {
            self.tell_leader(
                Relay::Ready {
                    server: self.me,
                    revisions,
                },
                outputs,
            );
        }
    }
}
