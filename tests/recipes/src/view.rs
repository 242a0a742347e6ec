//! The SDK's host over a committed tree, to look at and not to change. Must never know who looks.

use zareba_guest_sdk::{CallId, CreateMode, Fault, Host, Parked, SessionId, Stat, code, refuse};
use zareba_model::ZnodePath;
use zareba_tree::Tree;

/// The nodes below a mount.
pub(crate) struct CommittedView<'a> {
    tree: &'a Tree,
    mount: &'a ZnodePath,
}

impl<'a> CommittedView<'a> {
    pub(crate) fn new(tree: &'a Tree, mount: &'a ZnodePath) -> Self {
        Self { tree, mount }
    }

    fn absolute(&self, path: &str) -> Result<ZnodePath, Fault> {
        if path.is_empty() {
            return Ok(self.mount.clone());
        }
        let absolute = self.mount.join(path);
        absolute.map_err(|error| refuse(code::BAD_ARGUMENTS, error.to_string()))
    }
}

/// What nobody who looks may do.
fn never<T>() -> Result<T, Fault> {
    Err(refuse(code::BAD_ARGUMENTS, "who looks changes nothing"))
}

impl Host for CommittedView<'_> {
    fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), Fault> {
        let absolute = self.absolute(path)?;
        let node = self.tree.node(absolute.as_str());
        let node = node.ok_or_else(|| refuse(code::NO_NODE, format!("no node {path:?}")))?;
        Ok((node.data().to_vec(), crate::stage::stat(node.stat())))
    }

    fn exists(&mut self, path: &str) -> Result<Option<Stat>, Fault> {
        let absolute = self.absolute(path)?;
        let node = self.tree.node(absolute.as_str());
        Ok(node.map(|node| crate::stage::stat(node.stat())))
    }

    fn children(&mut self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, Fault> {
        never()
    }

    fn first_child(&mut self, _: &str, _: &str) -> Result<Option<String>, Fault> {
        never()
    }

    fn count_children(&mut self, path: &str) -> Result<u64, Fault> {
        Ok(self.exists(path)?.map_or(0, |stat| stat.num_children))
    }

    fn create(&mut self, _: &str, _: &[u8], _: CreateMode) -> Result<String, Fault> {
        never()
    }

    fn create_owned(
        &mut self,
        _: &str,
        _: &[u8],
        _: CreateMode,
        _: SessionId,
    ) -> Result<String, Fault> {
        never()
    }

    fn set(&mut self, _: &str, _: &[u8], _: Option<u64>) -> Result<u64, Fault> {
        never()
    }

    fn delete(&mut self, _: &str, _: Option<u64>) -> Result<(), Fault> {
        never()
    }

    fn check(&mut self, _: &str, _: Option<u64>) -> Result<(), Fault> {
        never()
    }

    fn savepoint(&mut self) -> Result<u32, Fault> {
        never()
    }

    fn rollback_to(&mut self, _: u32) -> Result<(), Fault> {
        never()
    }

    fn complete(&mut self, _: CallId, _: &[u8]) -> Result<(), Fault> {
        never()
    }

    fn fail(&mut self, _: CallId, _: &Fault) -> Result<(), Fault> {
        never()
    }

    fn lookup(&mut self, _: &str, _: CallId, _: u32) -> Result<Vec<Parked>, Fault> {
        never()
    }

    fn set_timer(&mut self, _: &str, _: u64) -> Result<(), Fault> {
        never()
    }

    fn clear_timer(&mut self, _: &str) -> Result<(), Fault> {
        never()
    }

    fn transaction(&self) -> u64 {
        self.tree.applied().to_u64()
    }

    fn now(&self) -> u64 {
        self.tree.time()
    }

    fn random(&mut self) -> u64 {
        0
    }

    fn config(&self, _: &str) -> Option<String> {
        None
    }

    fn session_alive(&self, session: SessionId) -> bool {
        self.tree
            .session(zareba_model::SessionId(session))
            .is_some()
    }

    fn log(&mut self, _: u8, _: &str) {}

    fn count(&mut self, _: &str, _: u64) {}

    fn observe(&mut self, _: &str, _: f64) {}
}
