//! Staging: what the transaction being prepared changes. Each function keeps its tables and the list
//! of effects in step.

use zareba_model::{
    Acl, Answer, Effect, Ensemble, JoinToken, Mount, ParkedCall, Publishers, SessionId, Sha256,
    Timer, Xid, ZnodePath,
};

use zareba_tree::PluginRecord;

use super::{LiveSession, Node, World};

impl World {
    pub(crate) fn stage_node(&mut self, path: ZnodePath, node: Option<Node>) {
        self.nodes.put(path, node, self.zxid);
    }

    pub(crate) fn stage_child(&mut self, parent: ZnodePath, name: String, present: bool) {
        self.children
            .put((parent, name), present.then_some(()), self.zxid);
    }

    pub(crate) fn stage_ephemeral(&mut self, owner: SessionId, path: ZnodePath, present: bool) {
        self.ephemerals
            .put((owner, path), present.then_some(()), self.zxid);
    }

    pub(crate) fn stage_session(&mut self, session: SessionId, live: Option<LiveSession>) {
        self.sessions.put(session, live, self.zxid);
    }

    pub(crate) fn stage_request(&mut self, session: SessionId, xid: Xid) {
        self.requests.put((session, xid), Some(()), self.zxid);
    }

    pub(crate) fn stage_park(&mut self, call: ParkedCall) {
        self.tags.put(
            (call.mount.clone(), call.tag.clone(), call.id),
            Some(()),
            self.zxid,
        );
        self.calls.put(call.id, Some(call.clone()), self.zxid);
        self.effects.push(Effect::ParkCall(call));
    }

    pub(crate) fn stage_end_call(&mut self, call: &ParkedCall, answer: Answer) {
        self.tags.put(
            (call.mount.clone(), call.tag.clone(), call.id),
            None,
            self.zxid,
        );
        self.calls.put(call.id, None, self.zxid);
        self.effects.push(Effect::EndCall {
            call: call.id,
            answer,
        });
    }

    pub(crate) fn stage_timer(&mut self, mount: ZnodePath, tag: String, due: Option<u64>) {
        self.timers
            .put((mount.clone(), tag.clone()), due, self.zxid);
        self.effects.push(match due {
            Some(due) => Effect::SetTimer(Timer { mount, tag, due }),
            None => Effect::ClearTimer { mount, tag },
        });
    }

    pub(crate) fn stage_mount(&mut self, mount: Mount) {
        self.mounts
            .put(mount.path.clone(), Some(mount.clone()), self.zxid);
        self.effects.push(Effect::PutMount(mount));
    }

    pub(crate) fn stage_unmount(&mut self, path: ZnodePath) {
        self.mounts.put(path.clone(), None, self.zxid);
        self.effects.push(Effect::RemoveMount { path });
    }

    pub(crate) fn stage_plugin(&mut self, name: String, plugin: Option<PluginRecord>) {
        self.plugins.put(name, plugin, self.zxid);
    }

    pub(crate) fn stage_component(&mut self, sha256: Sha256, received: Option<u64>) {
        self.components.put(sha256, received, self.zxid);
    }

    pub(crate) fn stage_component_gone(&mut self, sha256: Sha256) {
        self.stage_component(sha256, None);
        self.effects.push(Effect::RemoveComponent { sha256 });
    }

    pub(crate) fn stage_publishers(&mut self, publishers: Publishers) {
        self.publishers.put((), Some(publishers.clone()), self.zxid);
        self.effects.push(Effect::SetPublishers(publishers));
    }

    pub(crate) fn stage_ensemble(&mut self, ensemble: Ensemble) {
        self.ensembles.put((), Some(ensemble.clone()), self.zxid);
        self.effects.push(Effect::SetEnsemble(ensemble));
    }

    pub(crate) fn stage_token(&mut self, token: JoinToken) {
        self.tokens.put(token.hash, Some(token.clone()), self.zxid);
        self.effects.push(Effect::PutToken(token));
    }

    pub(crate) fn stage_token_gone(&mut self, hash: Sha256) {
        self.tokens.put(hash, None, self.zxid);
        self.effects.push(Effect::RemoveToken { hash });
    }

    pub(crate) fn stage_administrators(&mut self, path: ZnodePath, acl: Acl, aversion: u64) {
        let staged = (acl.clone(), aversion);
        self.administrators.put((), Some(staged), self.zxid);
        self.effects.push(Effect::SetAcl {
            path,
            acl,
            aversion,
        });
    }

    pub(crate) fn stage_effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
