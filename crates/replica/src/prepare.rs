//! Leader only: what a session asks, or the leader's own clock demands, becomes the effects of
//! one transaction. This is the last place where anything can be refused.
//!
//! A function here stages into the world and returns what the session is told; on an error its
//! caller takes back everything. It must never know how a transaction is agreed on or applied.

mod acl;
mod ensemble;
mod guest;
mod lifecycle;
mod mounting;
mod publisher;
mod session;
mod subtree;

use std::collections::BTreeMap;

use zareba_model::limits::MULTI_OPS_MAX;
use zareba_model::{
    Answer, Change, ErrorCode, Fault, Forward, Op, Outcome, Permissions, PluginDescription,
    Principal, ServerId, SessionId, Sha256, Write, ZnodePath,
};

use crate::bug::Bug;
use crate::change;
use crate::guest_call::StandIn;
use crate::plugin::PluginRuntime;
use crate::plugin_seen::PluginSeen;
use crate::world::World;

/// The reserved subtree: replicated records, shown read-only.
const RESERVED: &str = "/zareba";

/// What preparing needs at hand.
pub(crate) struct Prepare<'a, P> {
    pub(crate) world: &'a mut Box<World>,
    pub(crate) stand_in: &'a mut StandIn,
    pub(crate) plugins: &'a mut P,
    /// What this server's compiler said of each component.
    pub(crate) compiled: &'a BTreeMap<Sha256, Result<PluginDescription, String>>,
    /// Components that a quorum, this leader included, can run.
    pub(crate) ready: &'a dyn Fn(&Sha256) -> bool,
    /// Servers that follow this leader and are level with it, itself included.
    pub(crate) level: &'a dyn Fn(ServerId) -> bool,
    pub(crate) seed: u64,
    pub(crate) seen: &'a mut PluginSeen,
}

impl<P: PluginRuntime> Prepare<'_, P> {
    /// A session's request. `Ok(None)` means that it has parked.
    pub(crate) fn request(&mut self, forward: &Forward) -> Result<Option<Answer>, Fault> {
        let outcome = match &forward.op {
            Op::Write(Write::Change(change)) => self.change(forward, change)?,
            Op::Write(Write::Multi(changes)) => self.multi(forward, changes)?,
            Op::Write(Write::Plugin(op)) => self.lifecycle(&forward.principals, op)?,
            Op::Write(Write::DeleteSubtree { path }) => self.delete_subtree(forward, path)?,
            Op::Write(Write::SetQuota { path, quota }) => {
                self.administer(&forward.principals)?;
                self.set_quota(path, *quota)?
            }
            Op::Write(Write::KillSession(session)) => {
                self.administer(&forward.principals)?;
                self.kill_session(forward, *session)?
            }
            Op::Write(Write::CloseSession) => {
                self.close_session(forward.session);
                Outcome::Closed
            }
            Op::Write(Write::Ensemble(op)) => {
                self.administer(&forward.principals)?;
                self.ensemble_op(op)?
            }
            Op::Call { mount, op, input } => return self.command(forward, mount, op, input),
            Op::Read(_)
            | Op::LinearizableRead(_)
            | Op::MultiRead { .. }
            | Op::Watch(_)
            | Op::Authenticate(_)
            | Op::Explain { .. }
            | Op::Sync => {
                let why = "a read is answered where the session is held, never by the leader";
                return Err(Fault::new(ErrorCode::BadArguments, why));
            }
        };
        Ok(Some(Ok(outcome)))
    }

    fn multi(&mut self, forward: &Forward, changes: &[Change]) -> Result<Outcome, Fault> {
        if changes.len() > MULTI_OPS_MAX {
            let why = format!(
                "{} changes; a multi has at most {MULTI_OPS_MAX}",
                changes.len()
            );
            return Err(Fault::new(ErrorCode::TooLarge, why));
        }
        let mut outcomes = Vec::with_capacity(changes.len());
        for (index, change) in changes.iter().enumerate() {
            outcomes.push(
                self.change(forward, change)
                    .map_err(|fault| fault.at(index))?,
            );
        }
        Ok(Outcome::Multi(outcomes))
    }

    fn change(&mut self, forward: &Forward, change: &Change) -> Result<Outcome, Fault> {
        self.authorize(&forward.principals, change)?;
        let world = &mut *self.world;
        match change {
            Change::Create {
                path,
                data,
                mode,
                acl,
            } => {
                let owner = if mode.is_ephemeral() {
                    forward.session
                } else {
                    SessionId::NONE
                };
                let acl = acl::fixed(acl, &forward.principals)?;
                let (path, stat) = change::create(world, path, data.clone(), *mode, acl, owner)?;
                Ok(Outcome::Created { path, stat })
            }
            Change::Set {
                path,
                data,
                version,
            } => change::set(world, path, data.clone(), *version).map(Outcome::Set),
            Change::Delete { path, version } => {
                change::delete(world, path, *version).map(|()| Outcome::Deleted)
            }
            Change::Check { path, version } => {
                change::check(world, path, *version).map(|()| Outcome::Checked)
            }
            Change::SetAcl { path, acl, version } => {
                let acl = acl::fixed(acl, &forward.principals)?;
                if path.as_str() == RESERVED {
                    return self.set_administrators(path, acl, *version);
                }
                if let Some(plugin) = zareba_tree::reserved::plugin_at(path.as_str()) {
                    return self.set_managers(path, &plugin, acl, *version);
                }
                change::set_acl(world, path, acl, *version).map(Outcome::Set)
            }
        }
    }

    /// The one place where a client's change is allowed or not, multis flattened.
    fn authorize(&self, principals: &[Principal], change: &Change) -> Result<(), Fault> {
        let path = change.path();
        match change {
            Change::Check { .. } => {
                return self.allow(principals, path.as_str(), Permissions::READ);
            }
            // Who may call a plugin is said by who mounts it.
            Change::SetAcl { .. }
                if path.as_str() == RESERVED || self.world.mount(path.as_str()).is_some() =>
            {
                return self.administer(principals);
            }
            Change::SetAcl { .. } if zareba_tree::reserved::plugin_at(path.as_str()).is_some() => {
                let plugin = zareba_tree::reserved::plugin_at(path.as_str()).unwrap_or_default();
                return self.manage(principals, &plugin, Permissions::ADMIN);
            }
            _ => self.may_be_changed(path)?,
        }
        let parent = path.parent_str().unwrap_or("/");
        match change {
            Change::Set { .. } => self.allow(principals, path.as_str(), Permissions::WRITE),
            Change::SetAcl { .. } => self.allow(principals, path.as_str(), Permissions::ADMIN),
            Change::Create { .. } => self.allow(principals, parent, Permissions::CREATE),
            Change::Delete { .. } | Change::Check { .. } => {
                self.allow(principals, parent, Permissions::DELETE)
            }
        }
    }

    /// Refuses what no client changes, whoever it is: the ensemble's own records, and what belongs to
    /// a plugin.
    fn may_be_changed(&self, path: &ZnodePath) -> Result<(), Fault> {
        let reserved = path.as_str().strip_prefix(RESERVED);
        if reserved.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let why = format!("{path} is below {RESERVED}, which only the ensemble itself writes");
            return Err(Fault::new(ErrorCode::NoAuth, why));
        }
        if let Some(mount) = self.world.mount_of(path) {
            let why = format!(
                "{path} belongs to the plugin {} mounted at {}; use its operations",
                mount.plugin, mount.path
            );
            return Err(Fault::new(ErrorCode::NoAuth, why));
        }
        Ok(())
    }

    /// Changing the ensemble, its plugins, quotas and others' sessions needs ADMIN on `/zareba`.
    fn administer(&self, principals: &[Principal]) -> Result<(), Fault> {
        let (acl, _) = self.world.administrators();
        zareba_tree::acl::check(acl, principals, Permissions::ADMIN)
    }

    fn allow(
        &self,
        principals: &[Principal],
        path: &str,
        wanted: Permissions,
    ) -> Result<(), Fault> {
        if self.world.has_bug(Bug::AccessIgnoresInFlight)
            && let Some(node) = self.world.tree.node(path)
        {
            return zareba_tree::acl::check(node.acl(), principals, wanted);
        }
        match self.world.node(path) {
            // A node that is not there is refused for that, in its own words, by the change.
            None => Ok(()),
            Some(node) => zareba_tree::acl::check(&node.acl, principals, wanted),
        }
    }
}
