//! Plugins' components on this server: handed to the compiler once each, and announced to the
//! leader when they can be run.

use zareba_model::{PluginDescription, Relay, Sha256, ZnodePath};
use zareba_zab::Role;

use super::Replica;
use crate::output::Output;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Replica<P> {
    /// Hands complete components to the compiler, each once.
    pub(super) fn compile_new(&mut self, outputs: &mut Vec<Output>) {
        self.forget_removed(outputs);
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

    /// Forgets components that are kept no more.
    fn forget_removed(&mut self, outputs: &mut Vec<Output>) {
        let tree = &self.world.tree;
        let gone = |sha256: &Sha256| tree.component(sha256).is_none();
        let gone: Vec<_> = self.compiling.iter().copied().filter(gone).collect();
        for sha256 in &gone {
            self.compiling.remove(sha256);
            self.compiled.remove(sha256);
            self.plugins.forget(sha256);
        }
        if !gone.is_empty() {
            self.announce_ready(outputs);
        }
    }

    /// Forgets what was seen of mounts that are none any more.
    pub(super) fn forget_unmounted(&mut self) {
        let tree = &self.world.tree;
        let is_mount = |path: &ZnodePath| tree.mount(path.as_str()).is_some();
        self.seen.retain(is_mount);
        if let Some(leading) = &mut self.leading {
            leading.shares.retain(is_mount);
        }
    }

    pub(super) fn on_compiled(
        &mut self,
        sha256: Sha256,
        result: Result<PluginDescription, String>,
        outputs: &mut Vec<Output>,
    ) {
        if !self.compiling.contains(&sha256) {
            return self.plugins.forget(&sha256);
        }
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
