//! What is answered here: reads of the tree, and queries of plugins, of what is committed.

use bytes::Bytes;
use zareba_model::limits::SESSION_WATCHES_MAX;
use zareba_model::{
    Answer, ErrorCode, Fault, Op, Outcome, Permissions, Read, SessionId, WatchKind, ZnodePath,
};

use super::Replica;
use crate::guest_call;
use crate::plugin::{Caller, GuestAnswer, GuestEntry, GuestFailure, PluginRuntime};

impl<P: PluginRuntime> Replica<P> {
    pub(super) fn read(&mut self, session: SessionId, op: Op) -> Answer {
        match op {
            Op::Read(read) | Op::LinearizableRead(read) => self.read_tree(session, read),
            Op::Sync => Ok(Outcome::Synced),
            Op::Call { mount, op, input } => self.query(session, &mount, op, input),
            Op::Write(_) => {
                panic!("a write must never stand in line as a read")
            }
        }
    }

    fn read_tree(&mut self, session: SessionId, read: Read) -> Answer {
        let (path, watch) = match &read {
            Read::Get { path, watch }
            | Read::Exists { path, watch }
            | Read::Children { path, watch, .. } => (path.clone(), *watch),
        };
        if watch && self.watches.count(session) >= SESSION_WATCHES_MAX {
            let why = format!("a session leaves at most {SESSION_WATCHES_MAX} watches");
            return Err(Fault::new(ErrorCode::Throttled, why));
        }
        let tree = &self.world.tree;
        if let (Some(node), Some(held)) = (tree.node(path.as_str()), self.held.get_mut(session)) {
            zareba_tree::acl::check(node.acl(), &held.principals, Permissions::READ)?;
        }
        let (answer, kind) = match &read {
            Read::Get { path, .. } => (tree.get(path), WatchKind::Data),
            Read::Exists { path, .. } => (tree.exists(path), WatchKind::Data),
            Read::Children { path, page, .. } => (tree.children(path, page), WatchKind::Children),
        };
        if watch && answer.is_ok() {
            self.watches.add(session, path, kind);
        }
        answer
    }

    fn query(&mut self, session: SessionId, path: &ZnodePath, op: String, input: Bytes) -> Answer {
        let Some(mount) = self.query_mount(path, &op) else {
            let why = format!("the plugin at {path} was unmounted or changed meanwhile");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        };
        let principals = self
            .held
            .get_mut(session)
            .map(|held| held.principals.clone());
        let caller = Caller {
            session,
            principals: principals.unwrap_or_default(),
            ..Caller::default()
        };
        let entry = GuestEntry::Query { op, input };
        self.world.show_committed_only(true);
        let result = guest_call::run(
            &mut self.world,
            &mut self.stand_in,
            &mut self.plugins,
            &mount,
            caller,
            entry,
            self.config.seed,
            &mut self.log,
        );
        self.world.show_committed_only(false);
        match result {
            Ok(GuestAnswer::Done(value)) => Ok(Outcome::Called(value)),
            Ok(GuestAnswer::Park { .. }) => {
                Err(Fault::new(ErrorCode::PluginTrap, "a query cannot park"))
            }
            Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) => Err(fault),
        }
    }
}
