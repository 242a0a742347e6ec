//! What is written down of a request: a word for what was asked, and where. Never holds data, and never
//! what proves an identity.

use zareba_model::{Change, EnsembleChange, EnsembleOp, Op, PluginOp, Write};

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Audited {
    pub(crate) op: &'static str,
    pub(crate) path: String,
}

impl Audited {
    /// Nothing for what changes nothing.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        let (op, path) = match op {
            Op::Read(_)
            | Op::LinearizableRead(_)
            | Op::MultiRead { .. }
            | Op::Watch(_)
            | Op::Explain { .. }
            | Op::Sync => return None,
            Op::Authenticate(claim) => ("authenticate", claim.scheme.clone()),
            Op::Call { mount, op, .. } => ("call", format!("{mount} {op}")),
            Op::Write(write) => of_write(write),
        };
        Some(Self { op, path })
    }
}

fn of_write(write: &Write) -> (&'static str, String) {
    match write {
        Write::Change(change) => of_change(change),
        Write::Multi(changes) => {
            let first = changes.first().map(|change| change.path().to_string());
            ("multi", first.unwrap_or_default())
        }
        Write::Plugin(op) => of_plugin(op),
        Write::CloseSession => ("close-session", String::new()),
        Write::Ensemble(op) => ("ensemble", of_ensemble(op)),
        Write::DeleteSubtree { path } => ("delete-subtree", path.to_string()),
        Write::SetQuota { path, .. } => ("set-quota", path.to_string()),
        Write::KillSession(session) => ("kill-session", session.to_string()),
    }
}

fn of_change(change: &Change) -> (&'static str, String) {
    let op = match change {
        Change::Create { .. } => "create",
        Change::Set { .. } => "set",
        Change::Delete { .. } => "delete",
        Change::Check { .. } => "check",
        Change::SetAcl { .. } => "set-acl",
    };
    (op, change.path().to_string())
}

fn of_plugin(op: &PluginOp) -> (&'static str, String) {
    match op {
        PluginOp::PushChunk { sha256, .. } => ("plugin-push", sha256.to_string()),
        PluginOp::Register { name, .. } => ("plugin-register", name.clone()),
        PluginOp::Activate { name, .. } => ("plugin-activate", name.clone()),
        PluginOp::Mount { path, .. } => ("plugin-mount", path.to_string()),
        PluginOp::Unmount { path } => ("plugin-unmount", path.to_string()),
        PluginOp::Configure { path, .. } => ("plugin-configure", path.to_string()),
        PluginOp::Pause { path, .. } => ("plugin-pause", path.to_string()),
        PluginOp::Resume { path } => ("plugin-resume", path.to_string()),
        PluginOp::ClearQuarantine { path, .. } => ("plugin-clear-quarantine", path.to_string()),
        PluginOp::Remove { name, .. } => ("plugin-remove", name.clone()),
        PluginOp::SetPublisher { name, .. } => ("plugin-publisher", name.clone()),
        PluginOp::RequireSignatures(required) => {
            ("plugin-require-signatures", required.to_string())
        }
    }
}

fn of_ensemble(op: &EnsembleOp) -> String {
    match op {
        EnsembleOp::Change { change, .. } => of_members(change),
        EnsembleOp::AddToken { .. } => "token".to_owned(),
    }
}

fn of_members(change: &EnsembleChange) -> String {
    let (what, server) = match change {
        EnsembleChange::Add { server, .. } => ("add", server),
        EnsembleChange::Remove { server } => ("remove", server),
        EnsembleChange::Promote { server, .. } => ("promote", server),
        EnsembleChange::Demote { server } => ("demote", server),
        EnsembleChange::Replace { old, .. } => ("replace", old),
        EnsembleChange::Move { server, .. } => ("move", server),
    };
    format!("{what} {server}")
}
